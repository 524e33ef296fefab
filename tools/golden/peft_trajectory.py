"""Training trajectories of PEFT on tiny random models: LoRA, QLoRA and full fine-tuning.

Writes src/train/fixtures/:
  lora.json, lora-init/, lora-final/     50 steps on src/model/fixtures/llama
  qlora.json, qlora-base/, qlora-init/, qlora-final/   50 steps on an NF4 double-quantised base
  full.json                              20 steps on src/model/fixtures/llama-tied-rope3
  VARIANT.json, VARIANT-init/            20 steps of DoRA and of rank-stabilised LoRA with patterns

Every trajectory is run a second time in fp64; the distance is recorded, so that a test knows how much of a
difference is arithmetic noise.

    python tools/golden/peft_trajectory.py
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import bitsandbytes as bnb
import torch
from bitsandbytes.functional import dequantize_4bit
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

from architectures import BASE, OUT as MODELS, randomize
from common import ROOT, seven, versions, write_json

OUT = ROOT / "src" / "train" / "fixtures"
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
OPTIMISER = {"name": "adamw", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.0, "maxGradNorm": 0.3}
LORA = {"r": 8, "alpha": 16, "dropout": 0.0, "targetModules": LINEARS}
BATCHES, ROWS = 10, 4
IGNORE = -100

Batch = list[dict[str, list[int]]]


def make_batches(vocab: int, seed: int) -> list[Batch]:
    """Rows of 10 to 40 tokens whose prompt is masked; some rows have no prompt. Tokens are skewed, so there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    weights = 1.0 / torch.arange(1, vocab - 2, dtype=torch.float64)
    weights = weights[torch.randperm(weights.numel(), generator=generator)]
    batches = []
    for _ in range(BATCHES):
        batch: Batch = []
        for _ in range(ROWS):
            length = int(torch.randint(10, 41, (), generator=generator))
            prompt = int(torch.randint(0, length // 2, (), generator=generator))
            ids = (3 + torch.multinomial(weights, length, replacement=True, generator=generator)).tolist()
            masked = max(prompt, 1)
            batch.append({"ids": ids, "labels": [IGNORE] * masked + ids[masked:]})
        batches.append(batch)
    return batches


def collate(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = max(len(row["ids"]) for row in batch)
    pad = lambda values, filler: values + [filler] * (width - len(values))  # noqa: E731
    ids = torch.tensor([pad(row["ids"], 0) for row in batch])
    labels = torch.tensor([pad(row["labels"], IGNORE) for row in batch])
    attention = torch.tensor([pad([1] * len(row["ids"]), 0) for row in batch])
    return ids, labels, attention


def train(model: torch.nn.Module, batches: list[Batch], steps: int) -> tuple[list[float], list[float]]:
    """Loss = sum over target tokens / their count; the gradient norm is the one before clipping."""
    model.train()
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=OPTIMISER["lr"], betas=tuple(OPTIMISER["betas"]), eps=OPTIMISER["eps"], weight_decay=0.0
    )
    losses, norms = [], []
    for step in range(steps):
        ids, labels, attention = collate(batches[step % len(batches)])
        logits = model(input_ids=ids, attention_mask=attention, use_cache=False).logits[:, :-1]
        targets = labels[:, 1:]
        total = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=IGNORE, reduction="sum"
        )
        loss = total / (targets != IGNORE).sum()
        optimiser.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, OPTIMISER["maxGradNorm"]).item())
        optimiser.step()
        losses.append(loss.item())
    return losses, norms


@torch.no_grad()
def last_logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    model.eval()
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -3:]


def load(folder: Path, dtype: torch.dtype, quantised: bool = False) -> torch.nn.Module:
    config = (
        BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
        if quantised
        else None
    )
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", quantization_config=config, device_map="cpu"
    )


def linear_weights(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    return {name: module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] in LINEARS}


def decoded(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The fp32 values that bitsandbytes' 4-bit weights stand for."""
    found = {}
    for name, module in linear_weights(model).items():
        assert isinstance(module, bnb.nn.Linear4bit)
        found[name] = dequantize_4bit(module.weight.data, module.weight.quant_state).reshape(
            module.out_features, module.in_features
        )
    return found


def distance(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def tidy(folder: Path) -> None:
    """Keep what the adapter is, drop the model card and the path of the machine it was made on."""
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def lora_run(name: str, base: Path, *, quantised: bool, seed: int) -> None:
    """Train LoRA in fp32 and again in fp64 from the same adapter, and write everything down."""
    config = json.loads((base / "config.json").read_text())
    batches = make_batches(config["vocab_size"], seed)
    init, final = OUT / f"{name}-init", OUT / f"{name}-final"
    for folder in (init, final):
        shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(seed)
    lora = LoraConfig(
        r=LORA["r"], lora_alpha=LORA["alpha"], lora_dropout=0.0, bias="none", target_modules=LINEARS, task_type="CAUSAL_LM"
    )
    fresh = load(base, torch.float32, quantised)
    weights = decoded(fresh) if quantised else {}
    get_peft_model(fresh, lora).save_pretrained(init)
    tidy(init)

    model = PeftModel.from_pretrained(load(base, torch.float32, quantised), init, is_trainable=True)
    losses, norms = train(model, batches, 50)
    model.save_pretrained(final)
    tidy(final)
    probe = batches[0][0]["ids"]
    logits = last_logits(model, probe)

    exact_base = load(base, torch.float64)
    for weight_name, weight in weights.items():
        exact_base.get_submodule(weight_name).weight.data = weight.double()
    exact = PeftModel.from_pretrained(exact_base, init, is_trainable=True).double()
    exact_losses, exact_norms = train(exact, batches, 50)
    error = {
        "loss": distance(losses, exact_losses),
        "gradNorm": distance(norms, exact_norms),
        "logits": (logits - last_logits(exact, probe)).abs().max().item(),
    }
    assert error["loss"] < 1e-4, error
    assert losses[-1] < losses[0], "nothing was learnt"
    extra = (
        {
            "quantised": {
                "how": "bitsandbytes Linear4bit on CPU, fp32 compute",
                "quantType": "nf4",
                "blockSize": 64,
                "doubleQuant": True,
                "decodedSha256": {
                    key + ".weight": hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()
                    for key, value in weights.items()
                },
            }
        }
        if quantised
        else {}
    )
    write_json(
        OUT / f"{name}.json",
        {
            "base": str(base.relative_to(ROOT)),
            "versions": versions("torch", "transformers", "peft", "bitsandbytes"),
            "lora": LORA,
            "optimiser": OPTIMISER,
            **extra,
            "batches": batches,
            "losses": seven(losses),
            "gradNorms": seven(norms),
            "fp32ErrorAgainstFp64": {key: seven(value) for key, value in error.items()},
            "final": {"ids": probe, "logits": seven(logits)},
        },
    )
    print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, norm {norms[0]:.3f} -> {norms[-1]:.3f}, fp64 distance {error}")


def variant_run(name: str, base: Path, options: dict[str, Any], seed: int) -> None:
    """Twenty steps of a kind of LoRA: its starting adapter, the losses and the final logits."""
    batches = make_batches(json.loads((base / "config.json").read_text())["vocab_size"], seed)
    init = OUT / f"{name}-init"
    shutil.rmtree(init, ignore_errors=True)
    torch.manual_seed(seed)
    lora = LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": LINEARS, "task_type": "CAUSAL_LM", **options})
    get_peft_model(load(base, torch.float32), lora).save_pretrained(init)
    tidy(init)
    (init / "adapter_model.safetensors").chmod(0o644)
    model = PeftModel.from_pretrained(load(base, torch.float32), init, is_trainable=True)
    losses, norms = train(model, batches, 20)
    assert losses[10] < losses[0], "nothing was learnt"
    write_json(
        OUT / f"{name}.json",
        {
            "base": str(base.relative_to(ROOT)),
            "versions": versions("torch", "transformers", "peft"),
            "optimiser": OPTIMISER,
            "batches": batches,
            "losses": seven(losses),
            "gradNorms": seven(norms),
            "final": {"ids": batches[0][0]["ids"], "logits": seven(last_logits(model, batches[0][0]["ids"]))},
        },
    )
    print(f"{name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")


def full_run(base: Path, seed: int) -> None:
    config = json.loads((base / "config.json").read_text())
    batches = make_batches(config["vocab_size"], seed)
    probe = batches[0][0]["ids"]
    model = load(base, torch.float32)
    losses, norms = train(model, batches, 20)
    logits = last_logits(model, probe)
    exact = load(base, torch.float64)
    exact_losses, exact_norms = train(exact, batches, 20)
    error = {
        "loss": distance(losses, exact_losses),
        "gradNorm": distance(norms, exact_norms),
        "logits": (logits - last_logits(exact, probe)).abs().max().item(),
    }
    assert error["loss"] < 1e-4, error
    before = load(base, torch.float32).state_dict()
    moved = {
        name: seven((weight.detach() - before[name]).norm().item())
        for name, weight in model.named_parameters()
    }
    write_json(
        OUT / "full.json",
        {
            "base": str(base.relative_to(ROOT)),
            "versions": versions("torch", "transformers"),
            "optimiser": OPTIMISER,
            "batches": batches,
            "losses": seven(losses),
            "gradNorms": seven(norms),
            "fp32ErrorAgainstFp64": {key: seven(value) for key, value in error.items()},
            "weightChangeNorms": moved,
            "final": {"ids": probe, "logits": seven(logits)},
        },
    )
    print(f"full: loss {losses[0]:.4f} -> {losses[-1]:.4f}, norm {norms[0]:.3f} -> {norms[-1]:.3f}, fp64 distance {error}")


def make_qlora_base(folder: Path) -> None:
    """Every row is a whole number of 64-element blocks. Stored in BF16, which fp32 represents exactly."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **BASE,
        "vocab_size": 128,
        "hidden_size": 64,
        "intermediate_size": 128,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).float()
    randomize(model, config, 77)
    tensors = {name: weight.detach().bfloat16().contiguous() for name, weight in model.state_dict().items()}
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    assert all(value.dtype == torch.bfloat16 for value in load_file(folder / "model.safetensors").values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    lora_run("lora", MODELS / "llama", quantised=False, seed=11)
    make_qlora_base(OUT / "qlora-base")
    lora_run("qlora", OUT / "qlora-base", quantised=True, seed=12)
    full_run(MODELS / "llama-tied-rope3", seed=13)
    variant_run("dora", MODELS / "llama-bias", {"use_dora": True}, seed=14)
    patterns = {"rank_pattern": {"q_proj": 2, "0.mlp.down_proj": 6}, "alpha_pattern": {"up_proj": 2}}
    variant_run("rslora-patterns", MODELS / "llama", {"use_rslora": True, **patterns, "exclude_modules": r".*\.1\..*v_proj"}, seed=15)
    variant_run("dora-layers", MODELS / "llama", {"use_dora": True, "layers_to_transform": [1]}, seed=16)
