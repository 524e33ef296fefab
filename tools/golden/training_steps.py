"""Makes src/cluster/export/fixtures/steps.json: how many optimiser steps transformers' Trainer makes of epochs, and of max_steps.

Usage: python tools/golden/training_steps.py        (needs torch, transformers)

Each case is [examples, micro batch, accumulation, epochs or null, max_steps or -1, steps]; the rule is the Trainer's own method.
"""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

from torch.utils.data import DataLoader
from transformers import Trainer

OUT = Path(__file__).resolve().parents[2] / "src/cluster/export/fixtures/steps.json"


def steps(examples, micro, accumulation, epochs, max_steps):
    args = SimpleNamespace(max_steps=max_steps, num_train_epochs=epochs, gradient_accumulation_steps=accumulation)
    trainer = SimpleNamespace(
        get_total_train_batch_size=lambda args: micro * accumulation, get_sp_size=lambda: 1, num_examples=lambda data: examples
    )
    loader = DataLoader(range(examples), batch_size=micro)
    return Trainer.set_initial_training_values(trainer, args, loader)[-1]


cases = []
for examples, (micro, accumulation) in itertools.product((1, 7, 95, 100, 240, 1001), ((1, 1), (4, 2), (8, 1), (8, 8))):
    for epochs in (1, 3, 10, 0.1, 0.25, 0.7, 1.01, 1.1, 1.5, 2.3):
        cases.append([examples, micro, accumulation, epochs, -1, steps(examples, micro, accumulation, epochs, -1)])
    for limit in (1, 5, 1000):
        cases.append([examples, micro, accumulation, 3.0, limit, steps(examples, micro, accumulation, 3.0, limit)])
OUT.write_text(json.dumps(cases) + "\n")
print(OUT, len(cases))
