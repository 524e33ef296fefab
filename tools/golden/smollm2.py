"""Golden logits and greedy continuations of SmolLM2-135M-Instruct, read from a GGUF file by transformers.

transformers dequantises the file to fp32, so the figures are those of the stored (e.g. Q4_1) weights.
Writes src/model/fixtures/smollm2.json.

    python tools/golden/smollm2.py PATH/SmolLM2-135M-Instruct.Q4_1.gguf
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from common import ROOT, seven, versions, write_json

OUT = ROOT / "src" / "model" / "fixtures" / "smollm2.json"
TOP, STRIDED, NEW_TOKENS = 50, 500, 64

LOGIT_PROMPTS = [
    "The capital of Portugal is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "<|im_start|>user\nExplain in two sentences why the sky looks blue at noon and red at dusk.<|im_end|>\n<|im_start|>assistant\n",
]

GREEDY_PROMPTS = [
    "The three primary colours are",
    "Once upon a time, in a village between two rivers,",
    "Water boils at",
    "List of fruits:\n- apple\n- pear\n-",
    "import numpy as np\n\ndef mean(values):\n",
    "Q: How many legs does a spider have?\nA:",
    "Dear Ms. Alvarez,\n\nThank you for",
    "The difference between weather and climate is",
    "1, 2, 4, 8, 16,",
    "In 1969, astronauts",
    "<|user|>\nName a good book for a long train journey.\n<|assistant|>\n",
    "<|user|>\nWrite a haiku about rain.\n<|assistant|>\n",
    "<|assistant|>\n",
    "Photosynthesis is the process by which",
    "To make a simple tomato soup, first",
    "<|im_start|>user\nWhat is the largest ocean?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nGive me a plan for learning the guitar.<|im_end|>\n<|im_start|>assistant\n",
    "Le chat est assis sur",
    "| Country | Capital |\n|---|---|\n| Japan | Tokyo |\n|",
    "She opened the old wooden box and found",
]


@torch.no_grad()
def main(path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    # The model's own end token would shorten some answers; what follows it is still well defined.
    model.generation_config.eos_token_id = None

    prompts = []
    for text in LOGIT_PROMPTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        logits = model(torch.tensor([ids])).logits[0, -1]
        top = torch.topk(logits, TOP)
        at = torch.linspace(0, logits.numel() - 1, STRIDED).long()
        prompts.append(
            {
                "text": text,
                "ids": ids,
                "topIds": top.indices.tolist(),
                "topLogits": seven(top.values),
                "stridedIds": at.tolist(),
                "stridedLogits": seven(logits[at]),
            }
        )

    greedy = []
    for text in GREEDY_PROMPTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        out = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        continuation = out.sequences[0, len(ids) :].tolist()
        assert len(continuation) == NEW_TOKENS
        margins = []
        for step in out.logits:
            best = torch.topk(step[0], 2).values
            margins.append((best[0] - best[1]).item())
        greedy.append({"text": text, "ids": ids, "continuation": continuation, "smallestMargin": seven(min(margins))})

    write_json(
        OUT,
        {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "versions": versions("torch", "transformers", "gguf"),
            "prompts": prompts,
            "greedy": greedy,
        },
    )
    for row in greedy:
        print(f"margin {row['smallestMargin']:.4f}  {tokenizer.decode(row['continuation'])[:70]!r}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(Path(sys.argv[1]))
