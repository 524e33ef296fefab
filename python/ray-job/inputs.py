"""What evoke put beside this program: job.json, rows.jsonl, validation.jsonl, plan.jsonl, and small models or adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
IGNORE = -100


def job() -> dict[str, Any]:
    """The recipe with all defaults filled in, and how to run it here."""
    return json.loads((HERE / "job.json").read_text(encoding="utf-8"))


def place(reference: str) -> str:
    """A path inside the package is written `package:NAME`; everything else is as the workers see it."""
    return str(HERE / reference.removeprefix("package:")) if reference.startswith("package:") else reference


def rows(name: str) -> list[dict[str, list[int]]]:
    """Token ids, and labels that are IGNORE wherever no loss is taken. Targets are ranges [start, end) of tokens."""
    found = []
    with (HERE / name).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            labels = [IGNORE] * len(row["tokens"])
            for start, end in row["targets"]:
                labels[start:end] = row["tokens"][start:end]
            found.append({"input_ids": row["tokens"], "labels": labels})
    return found


def training_rows(workers: int, micro: int, accumulation: int) -> tuple[Any, int]:
    """
    A data set of all rows of the run in the order they are used, and the micro-batches each worker sums for one update.

    Every line of plan.jsonl is one update: lists of at most `micro` rows. Read in order, `micro` rows go to each worker
    in turn. Gaps are filled with a row without targets, which adds nothing to the loss.
    """
    from datasets import Dataset

    data = rows("rows.jsonl")
    filler = len(data)
    data.append({"input_ids": data[0]["input_ids"][:2], "labels": [IGNORE, IGNORE]})
    per_worker = -(-accumulation // workers)
    order: list[int] = []
    with (HERE / "plan.jsonl").open(encoding="utf-8") as file:
        for line in file:
            batches = json.loads(line)
            batches += [[]] * (per_worker * workers - len(batches))
            for batch in batches:
                order += batch + [filler] * (micro - len(batch))
    return Dataset.from_list(data).select(order), per_worker
