"""Rule-based answers by transformers -> src/generate/fixtures/rules.jsonl

The reference for rules.ts: the first 20 instructions of examples/data/quickstart-train.jsonl with Tulu tags, 64 tokens greedily
in float32 on models/mini, with each rule alone and with all. The distribution is log_softmax(model) + log_softmax(rules),
normalised; of it the file holds, for each token, the log-probabilities of some ids.

    python tools/golden/rules.py [--model FOLDER [--gguf FILE] --rows FILE --count N --tokens N --out FILE]
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("--model", default=str(ROOT / "models/mini"))
parser.add_argument("--gguf", help="file in the folder that --model names")
parser.add_argument("--rows", default=str(ROOT / "examples/data/quickstart-train.jsonl"))
parser.add_argument("--count", type=int, default=20)
parser.add_argument("--tokens", type=int, default=64)
parser.add_argument("--out", default=str(ROOT / "src/generate/fixtures/rules.jsonl"))
args = parser.parse_args()

more = {"gguf_file": args.gguf} if args.gguf else {}
tokenizer = AutoTokenizer.from_pretrained(args.model, **more)
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, **more).eval()
rows = [json.loads(line) for line in open(args.rows, encoding="utf-8")][: args.count]
eos = tokenizer.eos_token_id

TEXTS = {"<": -4, " <": -4, "|": -4, " I": -5, "I": -5, " We": -3, "What": -5, " should": -6}
TEXTS |= {text: 1 for text in (" *", " -", "  ", " #", " ##", "\n", "!")}
vocabulary = tokenizer.get_vocab()
sentencepiece = "▁" in vocabulary


def piece(text):
    return text.replace(" ", "▁") if sentencepiece else text.replace(" ", "Ġ").replace("\n", "Ċ")


uniform = {vocabulary[piece(text)]: shift for text, shift in TEXTS.items() if piece(text) in vocabulary}
print(f"{len(uniform)} of {len(TEXTS)} texts are tokens; eos {eos}")


def user_ids(prompt, content):
    """The ids of the user's turn where they stand in the prompt."""
    at = prompt.rindex(content)
    before = tokenizer(prompt[:at], add_special_tokens=False).input_ids
    through = tokenizer(prompt[: at + len(content)], add_special_tokens=False).input_ids
    common = 0
    while common < len(before) and before[common] == through[common]:
        common += 1
    return through[common:]


def rule_logits(rules, size, user, written):
    logits = torch.zeros(size, dtype=torch.float64)
    n = len(written)
    if "eos" in rules and 0 < n < 250:
        logits[eos] += 15 * n / 250
    if "diversity" in rules:
        for token in set(user) | set(written):
            logits[token] -= 1.5
    if "uniform" in rules:
        for token, shift in uniform.items():
            logits[token] += shift
    return logits


watched = [eos, *sorted(uniform)[:2], 100]
answers = []
for row in rows:
    content = row["instruction"]
    prompt = f"<|user|>\n{content}\n<|assistant|>\n"
    ids = tokenizer(prompt).input_ids
    user = user_ids(prompt, content)
    for rules in (["eos"], ["diversity"], ["uniform"], ["eos", "diversity", "uniform"]):
        written, logprobs = [], []
        past, feed = None, torch.tensor([ids])
        while len(written) < args.tokens:
            with torch.no_grad():
                out = model(feed, past_key_values=past, use_cache=True)
            past = out.past_key_values
            own = torch.log_softmax(out.logits[0, -1].double(), -1)
            rule = torch.log_softmax(rule_logits(rules, own.shape[0], user, written), -1)
            both = torch.log_softmax(own + rule, -1)
            token = int(both.argmax())
            logprobs.append([round(float(both[i]), 5) for i in [token, *watched]])
            written.append(token)
            feed = torch.tensor([[token]])
        answers.append({"content": content, "rules": rules, "tokens": written, "logprobs": logprobs})
Path(args.out).parent.mkdir(exist_ok=True)
with open(args.out, "w", encoding="utf-8") as out:
    json.dump({"uniform": uniform, "watched": watched}, out)
    out.write("\n")
    for answer in answers:
        json.dump(answer, out, ensure_ascii=False)
        out.write("\n")
