"""Greedy tokens, logits after prompts, and prompts of chats, by transformers, as one JSON document.

    python transformers_answers.py FOLDER '{"prompts": [[1, 2]], "count": 32, "chats": [[{"role": "user", "content": "Hi"}]]}'
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, request = sys.argv[1], json.loads(sys.argv[2])
torch.set_num_threads(1)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
answers, logits = [], []
with torch.no_grad():
    for prompt in request["prompts"]:
        ids = list(prompt)
        for step in range(request["count"]):
            last = model(torch.tensor([ids])).logits[0, -1]
            if step == 0:
                logits.append(last.tolist())
            ids.append(int(last.argmax()))
        answers.append({"prompt": prompt, "ids": ids[len(prompt) :]})
prompts = [
    tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    for chat in request.get("chats", [])
]
print(json.dumps({"answers": answers, "logits": logits, "prompts": prompts}))
