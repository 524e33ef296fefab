"""What transformers, PEFT and bitsandbytes make of one tiny model of each family.

Writes src/train/fixtures/families.json: 20 steps of LoRA on every linear layer, the names and shapes of the adapter that
PEFT saves, logits and greedy tokens with and without it, logits of the base in NF4 and in LLM.int8()'s 8 bits.
The adapter starts from a formula instead of a file: see `start`.

    python tools/golden/peft_families.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from peft import LoraConfig, get_peft_model
from safetensors import safe_open
from transformers.pytorch_utils import Conv1D

from architectures import OUT as MODELS
from common import seven, versions, write_json
from peft_trajectory import LINEARS, OPTIMISER, OUT, load, make_batches, train

FAMILIES: dict[str, list[str]] = {
    "smollm3": LINEARS,
    "olmo": LINEARS,
    "olmo2": LINEARS,
    "olmo3": LINEARS,
    "granite": LINEARS,
    "gemma3": LINEARS,
    "gemma3-types": LINEARS,
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "gpt-neox": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    "gpt2": ["c_attn", "c_proj", "c_fc"],
}
STEPS, RANK, ALPHA, COUNT, STRIDE = 20, 2, 8, 24, 4
PROMPT = [5, 90, 17, 150, 33, 64, 8, 120]


def start(model: torch.nn.Module) -> None:
    """B is zero, value i of the m-th A (in order of names) is ((37 i + 11 m) mod 101 - 50) / 100."""
    names = sorted(name for name, _ in model.named_parameters() if "lora_A" in name)
    parameters = dict(model.named_parameters())
    for m, name in enumerate(names):
        weight = parameters[name]
        i = torch.arange(weight.numel(), dtype=torch.int64)
        weight.data = (((37 * i + 11 * m) % 101 - 50).float() / 100).reshape(weight.shape)


@torch.no_grad()
def greedy(model: torch.nn.Module) -> tuple[list[int], float]:
    """Tokens, and how far the best one was ahead at the closest of them."""
    ids, closest = list(PROMPT), float("inf")
    for _ in range(COUNT):
        best = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        closest = min(closest, (best.values[0] - best.values[1]).item())
        ids.append(int(best.indices[0]))
    return ids[len(PROMPT) :], closest


@torch.no_grad()
def last(model: torch.nn.Module) -> list[float]:
    """Every fourth logit after the prompt."""
    return seven(model(input_ids=torch.tensor([PROMPT]), use_cache=False).logits[0, -1, ::STRIDE])


def nf4(weight: torch.Tensor) -> torch.Tensor:
    packed, state = quantize_4bit(weight.contiguous(), quant_type="nf4", compress_statistics=True)
    return dequantize_4bit(packed, state).reshape(weight.shape)


def int8(weight: torch.Tensor) -> torch.Tensor:
    scale = weight.abs().amax(1, keepdim=True) / 127
    return torch.round(weight / scale) * scale


def quantised(base: Path, targets: list[str], how: Any) -> list[float]:
    """Logits with every linear layer of the blocks taken through a storage, as [out, in]."""
    model = load(base, torch.float32).eval()
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in targets and isinstance(module, (torch.nn.Linear, Conv1D)):
            weight = module.weight.data
            turned = isinstance(module, Conv1D)
            stored = how(weight.T.contiguous() if turned else weight)
            module.weight.data = stored.T.contiguous() if turned else stored
    return last(model)


def family(name: str, targets: list[str], batches: Any) -> dict[str, Any]:
    base = MODELS / name
    plain = load(base, torch.float32).eval()
    tokens, margin = greedy(plain)
    assert margin > 1e-3, f"{name}: two tokens are {margin} apart; take another prompt"
    lora = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=targets, task_type="CAUSAL_LM", fan_in_fan_out=name == "gpt2"
    )
    model = get_peft_model(load(base, torch.float32), lora)
    start(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    losses, norms = train(model, batches, STEPS)
    assert losses[16] < losses[0], f"{name}: nothing was learnt: {losses}"
    model.eval()
    adapted, margin = greedy(model)
    assert margin > 1e-3, f"{name}: two tokens are {margin} apart with the adapter; take another prompt"
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        with safe_open(Path(scratch) / "adapter_model.safetensors", "pt") as file:
            tensors = {key: file.get_slice(key).get_shape() for key in sorted(file.keys())}
    return {
        "losses": seven(losses),
        "gradNorms": seven(norms),
        "tensors": tensors,
        "base": {"greedy": tokens, "logits": last(plain)},
        "adapter": {"greedy": adapted, "logits": last(model)},
        "nf4": quantised(base, targets, nf4),
        "int8": quantised(base, targets, int8),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    batches = make_batches(192, seed=21)[:4]
    write_json(
        OUT / "families.json",
        {
            "versions": versions("torch", "transformers", "peft", "bitsandbytes"),
            "optimiser": OPTIMISER,
            "lora": {"r": RANK, "alpha": ALPHA},
            "prompt": PROMPT,
            "stride": STRIDE,
            "batches": batches,
            "families": {name: family(name, targets, batches) for name, targets in FAMILIES.items()},
        },
    )
