"""Multiple-choice scoring of lm-evaluation-harness on CPU in rows a second, on the rows of bench/mc-scoring.ts.

    python bench/peers/lm_eval_mc.py --model FILE.gguf --data DATA_DIR --rows 100 --batch 1 4 8 16 [--mmlu MMLU.json]
"""

import argparse
import json
import time
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=Path, required=True)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--rows", type=int, default=100)
parser.add_argument("--mmlu", type=Path, help="rows that the bench wrote: [context, choices] pairs")
parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8, 16])
args = parser.parse_args()

source = dict(gguf_file=args.model.name) if args.model.suffix == ".gguf" else {}
folder = args.model.parent if source else args.model
tokenizer = AutoTokenizer.from_pretrained(folder, **source)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source).eval()


def rows(path):
    lines = (args.data / path).read_text("utf-8").split("\n")[: args.rows]
    return [json.loads(line) for line in lines if line]


sets = {
    "arc_easy": [
        (f"Question: {row['question']}\nAnswer:", [f" {text}" for text in row["choices"]["text"]])
        for row in rows("core/arc_easy/test.jsonl")
    ],
    "hellaswag": [
        (row["query"], [f" {text}" for text in row["endings"]])
        for row in rows("core/hellaswag/validation_1000_preprocessed.jsonl")
    ],
}
if args.mmlu:
    sets["mmlu, 5 shots"] = json.loads(args.mmlu.read_text("utf-8"))
for batch in args.batch:
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu")
    for name, questions in sets.items():
        requests = [
            Instance(request_type="loglikelihood", doc={}, arguments=(context, choice), idx=i)
            for context, choices in questions
            for i, choice in enumerate(choices)
        ]
        started = time.perf_counter()
        lm.loglikelihood(requests, disable_tqdm=True)
        took = time.perf_counter() - started
        print(f"{name}, batch {batch}: {len(questions)} rows in {took:.2f} s, {len(questions) / took:.2f} rows/s", flush=True)
