"""Response ranking and reference likelihoods by transformers -> src/eval/suites/fixtures/response-ranking.json

The reference for `response_ranking` and `reference_likelihood`: the first 20 rows of examples/data/quickstart-train.jsonl, 5 drawn
responses each (random.seed(0), randint over all responses), Tulu tags, scored by transformers in float32 on models/mini. Every
score is the sum of log-probabilities over the response's tokens and its end-of-sequence token.

    python tools/golden/response_ranking.py [--model FOLDER --rows FILE --count N --out FILE]
"""

import argparse
import json
import math
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("--model", default=str(ROOT / "models/mini"))
parser.add_argument("--gguf", help="file in the folder that --model names")
parser.add_argument("--rows", default=str(ROOT / "examples/data/quickstart-train.jsonl"))
parser.add_argument("--count", type=int, default=20)
parser.add_argument("--drawn", type=int, default=5)
parser.add_argument("--out", default=str(ROOT / "src/eval/suites/fixtures/response-ranking.json"))
args = parser.parse_args()

more = {"gguf_file": args.gguf} if args.gguf else {}
tokenizer = AutoTokenizer.from_pretrained(args.model, **more)
model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, **more).eval()
rows = [json.loads(line) for line in open(args.rows, encoding="utf-8")][: args.count]


def turns(row):
    instruction = row.get("instruction", row.get("prompt"))
    if row.get("input"):
        instruction += "\n\n" + row["input"]
    return instruction, row.get("output", row.get("completion"))


pairs = [turns(row) for row in rows]


@torch.no_grad()
def score(instruction, response):
    before = ("" if instruction is None else f"<|user|>\n{instruction}\n") + "<|assistant|>\n"
    whole = tokenizer(before + response + tokenizer.eos_token).input_ids[:1024]
    start = len(tokenizer(before).input_ids)
    logits = model(torch.tensor([whole])).logits[0].double().log_softmax(-1)
    targets = whole[start:]
    return sum(logits[start + i - 1, token].item() for i, token in enumerate(targets)), len(targets)


random.seed(0)
draws = [[random.randint(0, len(pairs) - 1) for _ in range(args.drawn)] for _ in pairs]
records, higher = [], 0
for (instruction, response), draw in zip(pairs, draws):
    own, tokens = score(instruction, response)
    others = [score(instruction, pairs[place][1]) for place in draw]
    higher += sum(math.exp(own / tokens) > math.exp(logprob / count) for logprob, count in others)
    records.append({"own": [own, tokens], "draw": draw, "drawn": others, "alone": score(None, response)[0]})
figure = higher / (len(pairs) * args.drawn)
print("pair accuracy", figure)
Path(args.out).parent.mkdir(parents=True, exist_ok=True)
Path(args.out).write_text(json.dumps({"pair_accuracy": figure, "rows": records}) + "\n")
