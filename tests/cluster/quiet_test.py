"""Validation leaves a quantised model as it was. Run by tests/cluster/run.sh; needs PyTorch, PEFT and bitsandbytes, no Ray."""

import sys
from pathlib import Path

import bitsandbytes as bnb
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python/ray-job"))
from quiet import check_unchanged, gradient_probe, quiet  # noqa: E402


def model(kind):
    more = {
        "nf4": {"quantization_config": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32)},
        "float32": {},
    }[kind]
    base = AutoModelForCausalLM.from_pretrained(ROOT / "models/mini", dtype=torch.float32, **more)
    torch.manual_seed(0)
    tuned = get_peft_model(base, LoraConfig(r=4, lora_dropout=0.3, target_modules="all-linear", init_lora_weights=False))
    return tuned.train()


def batch():
    ids = torch.arange(2, 26).reshape(1, -1)
    return {"input_ids": ids, "labels": ids.clone()}


def forward(tuned):
    with torch.no_grad():
        return tuned(**batch()).loss.item()


for kind in ("nf4", "float32"):
    tuned = model(kind)
    modes = [module.training for module in tuned.modules()]
    before = gradient_probe(tuned, batch())
    with quiet(tuned):
        losses = {forward(tuned) for _ in range(3)}
    assert len(losses) == 1, f"{kind}: dropout is on during validation: {losses}"
    assert [module.training for module in tuned.modules()] == modes, f"{kind}: modes changed"
    check_unchanged(before, gradient_probe(tuned, batch()))
    assert all(p.grad is None for p in tuned.parameters()), f"{kind}: the probe left gradients"
    print(f"{kind}: unchanged")

# What the guard is for: plain eval mode, where this processor makes bitsandbytes repack, must be noticed.
tuned = model("nf4")
before = gradient_probe(tuned, batch())
tuned.eval()
with torch.no_grad():
    for module in tuned.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module(torch.randn(3, module.in_features))
tuned.train()
try:
    check_unchanged(before, gradient_probe(tuned, batch()))
    seen = "no"
except (RuntimeError, AssertionError) as error:
    seen = "yes"
    print(f"guard: {str(error).splitlines()[0][:100]}")
repacks = bnb.functional.has_avx512bf16()
assert seen == ("yes" if repacks else "no"), f"repacking processor: {repacks}, change noticed: {seen}"
# On any processor: a weight that validation changes is noticed.
tuned = model("float32")
before = gradient_probe(tuned, batch())
with torch.no_grad():
    next(p for p in tuned.parameters() if not p.requires_grad and p.dim() == 2).mul_(1.5)
try:
    check_unchanged(before, gradient_probe(tuned, batch()))
except RuntimeError:
    print("validation is quiet; a change is noticed")
else:
    raise AssertionError("a changed weight was not noticed")
