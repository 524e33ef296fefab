"""Adapters with every option of PEFT's LoraConfig on tiny random models.

Writes src/peft/fixtures/:
  CASE/                adapters as PEFT saves them, with random factors
  accepted.json        for each CASE its base and PEFT's logits
  refused.json         for each case that evoke refuses: the configuration and the names and shapes of the tensors

    python tools/golden/peft_adapters.py
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Callable

import torch
from peft import (
    IA3Config,
    LoraConfig,
    LoraRuntimeConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
)
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from common import ROOT, seven, versions, write_json

OUT = ROOT / "src" / "peft" / "fixtures"
MODELS = ROOT / "src" / "model" / "fixtures"
IDS = [1, 17, 99, 103, 44, 8, 50, 71, 30, 12, 12, 67, 5, 90, 33, 120]
QV = ["q_proj", "v_proj"]


def base(name: str) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32, attn_implementation="eager")


def lora(**options: Any) -> LoraConfig:
    return LoraConfig(**{"r": 2, "lora_alpha": 5, "target_modules": QV, "task_type": "CAUSAL_LM", **options})


def fill(model: torch.nn.Module, seed: int) -> None:
    """Random factors, lengths and biases, large enough to change the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        with torch.no_grad():
            if "magnitude" in name:
                parameter.mul_(1 + 0.3 * noise)
            else:
                parameter.copy_(0.2 * noise)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    model.eval()
    return model(input_ids=torch.tensor([IDS]), use_cache=False).logits[0, -1:]


def tidy(folder: Path) -> None:
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = None
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2) + "\n")


def converted(init: str) -> Callable[[str, Path], None]:
    """An adapter whose starting values change the base, saved in the form that fits the base as it is."""

    def make(name: str, folder: Path) -> None:
        with tempfile.TemporaryDirectory() as first:
            torch.manual_seed(3)
            model = get_peft_model(base(name), lora(init_lora_weights=init))
            model.peft_config["default"].init_lora_weights = True
            model.save_pretrained(first)
            model.peft_config["default"].init_lora_weights = init
            generator = torch.Generator().manual_seed(5)
            for parameter in (p for p in model.parameters() if p.requires_grad):
                parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
            expected = logits(model)
            model.save_pretrained(folder, path_initial_model_for_weight_conversion=first)
        again = PeftModel.from_pretrained(base(name), folder)
        assert (logits(again) - expected).abs().max() < 1e-4

    return make


def plain(**options: Any) -> Callable[[str, Path], None]:
    def make(name: str, folder: Path) -> None:
        model = get_peft_model(base(name), lora(**options))
        fill(model, 7)
        model.save_pretrained(folder)

    return make


def bfloat16(name: str, folder: Path) -> None:
    plain()(name, folder)
    path = folder / "adapter_model.safetensors"
    save_file({key: value.bfloat16() for key, value in load_file(path).items()}, path, metadata={"format": "pt"})


ACCEPTED: dict[str, tuple[str, Callable[[str, Path], None]]] = {
    "plain": ("llama", plain()),
    "all-linear": ("llama", plain(target_modules="all-linear")),
    "regular-expression": ("llama", plain(target_modules=r".*\.(?P<layer>\d+)\.(self_attn\.[qk]_proj|mlp\.down_proj)")),
    "full-names": ("llama", plain(target_modules=["self_attn.o_proj", "model.layers.1.mlp.up_proj"])),
    "rank-pattern": ("llama", plain(target_modules="all-linear", rank_pattern={"q_proj": 4, "1.mlp.down_proj": 3, r"layers\.0\.mlp\..*_proj": 1})),
    "alpha-pattern": ("llama", plain(rank_pattern={"v_proj": 3}, alpha_pattern={"^model.layers.0.self_attn.v_proj": 9, "q_proj": 1})),
    "rslora": ("llama", plain(use_rslora=True, r=3, rank_pattern={"v_proj": 4})),
    "dora": ("llama", plain(use_dora=True, target_modules="all-linear")),
    "dora-bias": ("llama-bias", plain(use_dora=True, use_rslora=True, target_modules=["q_proj", "o_proj", "down_proj"], rank_pattern={"o_proj": 3})),
    "dora-layers": ("llama", plain(use_dora=True, target_modules=r"model\.layers\.(0\.self_attn\.q_proj|1\.mlp\.up_proj)")),
    "layers": ("llama", plain(layers_to_transform=[1])),
    "one-layer": ("llama", plain(layers_to_transform=0, layers_pattern="layers")),
    "layers-pattern": ("llama", plain(layers_to_transform=[1], layers_pattern=["h", "layers"])),
    "exclude": ("llama", plain(target_modules="all-linear", exclude_modules=["mlp.down_proj", "layers.0.self_attn.q_proj"])),
    "exclude-expression": ("llama", plain(target_modules="all-linear", exclude_modules=r".*layers\.0\..*")),
    "fan-in-fan-out": ("llama", plain(fan_in_fan_out=True)),
    "bias-none-there": ("llama", plain(bias="all")),
    "gaussian": ("llama", plain(init_lora_weights="gaussian")),
    "eva": ("llama", plain(init_lora_weights="eva")),
    "orthogonal": ("llama", plain(init_lora_weights="orthogonal")),
    "not-initialised": ("llama", plain(init_lora_weights=False)),
    "no-task": ("llama", plain(task_type=None)),
    "bfloat16": ("llama", bfloat16),
    "pissa-converted": ("llama", converted("pissa")),
    "olora-converted": ("llama", converted("olora")),
    "gemma2": ("gemma2", plain(target_modules="all-linear")),
    "qwen3-dora": ("qwen3", plain(use_dora=True)),
}


def refused_lora(**options: Any) -> Callable[[str], torch.nn.Module]:
    return lambda name: get_peft_model(base(name), lora(**options))


REFUSED: dict[str, tuple[str, str, Callable[[str], torch.nn.Module]]] = {
    # case: (word that the refusal must hold, base, model)
    "ia3": ("IA3", "llama", lambda name: get_peft_model(base(name), IA3Config(task_type="CAUSAL_LM", target_modules=QV, feedforward_modules=[]))),
    "prefix": ("PREFIX_TUNING", "llama", lambda name: get_peft_model(base(name), PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))),
    "prompt": ("PROMPT_TUNING", "llama", lambda name: get_peft_model(base(name), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))),
    "lora-bias": ("lora_bias", "llama-bias", refused_lora(lora_bias=True)),
    "bias-all": ("bias", "llama-bias", refused_lora(bias="all")),
    "bias-lora-only": ("bias", "llama-bias", refused_lora(bias="lora_only")),
    "modules-to-save-head": ("modules_to_save", "llama", refused_lora(modules_to_save=["lm_head"])),
    "modules-to-save-embeddings": ("modules_to_save", "llama", refused_lora(modules_to_save=["embed_tokens"])),
    "token-indices": ("trainable_token_indices", "llama", refused_lora(trainable_token_indices=[3, 5])),
    "target-head": ("target_modules", "llama", refused_lora(target_modules=["q_proj", "lm_head"])),
    "target-embeddings": ("target_modules", "llama", refused_lora(target_modules=["q_proj", "embed_tokens"])),
    "pissa": ("init_lora_weights", "llama", refused_lora(init_lora_weights="pissa")),
    "pissa-fast": ("init_lora_weights", "llama", refused_lora(init_lora_weights="pissa_niter_4")),
    "olora": ("init_lora_weights", "llama", refused_lora(init_lora_weights="olora")),
    "mica": ("init_lora_weights", "llama", refused_lora(init_lora_weights="mica")),
    "target-parameters": ("target_parameters", "llama", refused_lora(target_parameters=["self_attn.q_proj.weight"], target_modules=[])),
    "alora": ("alora_invocation_tokens", "llama", refused_lora(alora_invocation_tokens=[4, 5])),
    "replication": ("layer_replication", "llama", refused_lora(layer_replication=[(0, 2), (1, 2)])),
    "runtime": ("", "llama", refused_lora(runtime_config=LoraRuntimeConfig(ephemeral_gpu_offload=False))),
}

# Starting values that need data or other libraries to be made: their configuration alone.
CONFIG_ONLY: dict[str, tuple[str, dict[str, Any]]] = {
    "loftq": ("init_lora_weights", {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": 1}}),
    "corda": ("init_lora_weights", {"init_lora_weights": "corda"}),
    "lora-ga": ("init_lora_weights", {"init_lora_weights": "lora_ga"}),
    "sequence-classification": ("task_type", {"task_type": "SEQ_CLS"}),
    "feature-extraction": ("task_type", {"task_type": "FEATURE_EXTRACTION"}),
    "qalora": ("use_qalora", {"use_qalora": True}),
    "megatron": ("megatron_config", {"megatron_config": {"hidden_size": 32}}),
    "velora": ("velora_config", {"velora_config": {"num_groups": 4}}),
    "monteclora": ("monteclora_config", {"monteclora_config": {"num_samples": 8}}),
    "block-diagonal": ("use_bdlora", {"use_bdlora": {"nblocks": 2}}),
    "arrow": ("arrow_config", {"arrow_config": {"top_k": 2}}),
    "kasa": ("kasa_config", {"kasa_config": {"beta": 0.1}}),
    "of-another-version": ("brand_new_option", {"brand_new_option": 3}),
    "ada-lora": ("ADALORA", {"peft_type": "ADALORA"}),
}


def save_embeddings(name: str, folder: Path) -> None:
    get_peft_model(base(name), lora()).save_pretrained(folder, save_embedding_layers=True)


def refused_files() -> dict[str, Any]:
    result: dict[str, Any] = {}

    def record(case: str, word: str, name: str, folder: Path) -> None:
        tidy(folder)
        with safe_open(folder / "adapter_model.safetensors", "pt") as file:
            tensors = {key: list(file.get_slice(key).get_shape()) for key in sorted(file.keys())}
        result[case] = {
            "base": name,
            "names": word,
            "config": json.loads((folder / "adapter_config.json").read_text()),
            "tensors": tensors,
        }

    for case, (word, name, make) in REFUSED.items():
        with tempfile.TemporaryDirectory() as folder:
            make(name).save_pretrained(folder)
            record(case, word, name, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        save_embeddings("llama", Path(folder))
        record("saved-embeddings", "save_embedding_layers", "llama", Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        plain()("llama", Path(folder))
        record("changed", "", "llama", Path(folder))
    ordinary = result.pop("changed")
    for case, (word, changes) in CONFIG_ONLY.items():
        result[case] = {**ordinary, "names": word, "config": {**ordinary["config"], **changes}}
    result.pop("runtime")
    return result


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    accepted: dict[str, Any] = {}
    for case, (name, make) in ACCEPTED.items():
        folder = OUT / case
        make(name, folder)
        tidy(folder)
        (folder / "adapter_model.safetensors").chmod(0o644)
        found = logits(PeftModel.from_pretrained(base(name), folder))
        without = logits(base(name))
        assert (found - without).abs().max() > 0.01, case
        merged = logits(PeftModel.from_pretrained(base(name), folder).merge_and_unload())
        assert (found - merged).abs().max() < 1e-4, case
        accepted[case] = {"base": name, "logits": seven(found)}
        print(case, float((found - without).abs().max()))
    write_json(OUT / "accepted.json", {"versions": versions("torch", "transformers", "peft"), "ids": IDS, **accepted})
    write_json(OUT / "refused.json", refused_files())
