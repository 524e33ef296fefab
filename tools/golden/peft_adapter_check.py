"""Check that PEFT loads an adapter folder written by evoke and computes the same logits.

    python tools/golden/peft_adapter_check.py MODEL ADAPTER LOGITS.json [--tolerance 1e-4] [--nf4]

MODEL is a Hugging Face folder or a .gguf file. LOGITS.json is {"sequences": [{"ids": [...], "logits": [[...], ...]}]};
the logits are those of the last positions of the sequence (any number of them).
Exit code: 0 equal, 1 different or not loadable, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare PEFT's logits with evoke's for one adapter.")
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("logits", type=Path)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--nf4", action="store_true", help="quantise the base to NF4 with double quantisation first")
    options = parser.parse_args()
    for path in (options.model, options.adapter, options.logits):
        if not path.exists():
            parser.error(f"{path} does not exist")
    return options


def load_base(path: Path, nf4: bool) -> torch.nn.Module:
    extra: dict[str, object] = {}
    if path.suffix == ".gguf":
        path, extra["gguf_file"] = path.parent, path.name
    if nf4:
        extra["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    return AutoModelForCausalLM.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager", device_map="cpu", **extra
    )


def missing_tensors(model: PeftModel, adapter: Path) -> list[str]:
    """Names in the file that PEFT did not put anywhere, and adapter weights that the file lacks."""
    with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
        stored = set(file.keys())
    wanted = {name.replace(".default", "") for name in model.state_dict() if "lora_" in name}
    return sorted(stored ^ wanted)


@torch.no_grad()
def main() -> int:
    options = arguments()
    model = PeftModel.from_pretrained(load_base(options.model, options.nf4), options.adapter).eval()
    strange = missing_tensors(model, options.adapter)
    if strange:
        print(f"tensors that do not match between file and model: {', '.join(strange[:5])} ({len(strange)} in all)")
        return 1
    worst, effect = 0.0, 0.0
    for sequence in json.loads(options.logits.read_text())["sequences"]:
        theirs = torch.tensor(sequence["logits"])
        ids = torch.tensor([sequence["ids"]])
        ours = model(ids, use_cache=False).logits[0, -theirs.shape[0] :]
        with model.disable_adapter():
            plain = model(ids, use_cache=False).logits[0, -theirs.shape[0] :]
        worst = max(worst, (ours - theirs).abs().max().item())
        effect = max(effect, (ours - plain).abs().max().item())
    print(json.dumps({"maxDifference": worst, "adapterEffect": effect, "tolerance": options.tolerance}))
    return 0 if worst <= options.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
