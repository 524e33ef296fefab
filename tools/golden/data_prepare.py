"""Golden hashes of prepared data, and small Parquet files for tests.

Applies Response Tuning's rules (https://github.com/seokhyunan/response-tuning) in a few lines of Python to the rows of
a data folder and stores counts and hashes. The Parquet rows are made up.

Usage: python tools/golden/data_prepare.py DATA_DIR src/data/fixtures
"""

import hashlib
import json
import random
import re
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet


def rows_of(path):
    text = path.read_text(encoding="utf8")
    if path.suffix == ".json":
        return json.loads(text)
    return [json.loads(line) for line in text.split("\n") if line]


def joined(row, instruction, extra, output):
    prompt = f"{row[instruction]}\n\n{row[extra]}" if row[extra] else row[instruction]
    return prompt, row[output]


def digest(pairs):
    sha = hashlib.sha256()
    for prompt, completion in pairs:
        sha.update(prompt.encode() + b"\0" + completion.encode() + b"\0")
    return {"rows": len(pairs), "sha256": sha.hexdigest()}


def sampled(items, count):
    """random_sampler: the first places of a shuffle; here put back into the source's order."""
    random.seed(0)
    places = list(range(len(items)))
    random.shuffle(places)
    return [items[place] for place in sorted(places[:count])]


def main(data, target):
    data, target = Path(data), Path(target)
    pairs = {
        "lima": [tuple(row["conversations"][:2]) for row in rows_of(data / "sft/lima_train.jsonl")[:1000]],
        "alpaca": [joined(row, "instruction", "input", "output") for row in rows_of(data / "sft/alpaca_subset.jsonl")],
        "dolly": [joined(row, "instruction", "context", "response") for row in rows_of(data / "sft/dolly_subset.jsonl")],
        "safety": [
            joined(row, "instruction", "input", "output")
            for row in rows_of(data / "sft/safety_only_data_Instructions.json")
        ],
        "self-instruct-seeds": [
            joined({**row, **instance}, "instruction", "input", "output")
            for row in rows_of(data / "self_instruct/seed_tasks.jsonl")
            for instance in row["instances"]
        ],
    }
    refusals = [pair for pair in pairs["safety"] if re.search(r"\b(ai|sorry)\b", pair[1].strip().lower())]
    golden = {
        "sources": {name: digest(found) for name, found in pairs.items()},
        "dolly 500": digest(sampled(pairs["dolly"], 500)),
        "refusals": digest(refusals),
        "refusals 100": digest(sampled(refusals, 100)),
        "refusals 1829": digest(sampled(refusals, 1829)),
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / "prepared.json").write_text(json.dumps(golden, indent=2) + "\n")
    table = [
        {
            "instruction": f"Count to {n} \u00e9\U0001f600",
            "input": "" if n % 3 else "x" * n,
            "output": " ".join(map(str, range(n))),
            "n": n,
            "turns": [{"role": "user", "content": "q"}, {"role": "assistant", "content": str(n)}],
        }
        for n in range(1, 41)
    ]
    for codec in ["none", "snappy", "zstd"]:
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(table), target / f"{codec}.parquet", row_group_size=25, compression=codec
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
