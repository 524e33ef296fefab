"""Tiny random checkpoints of every supported architecture, with the logits transformers gives for them.

Writes src/model/fixtures/<name>/{config.json, model.safetensors, golden.json}.
Every fixture is checked before it is written: each feature it is there for must change the logits
when taken away, and fp32 must agree with fp64, so that a test can hold a tight tolerance.

    python tools/golden/architectures.py [NAME ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from common import ROOT, seven, versions, write_json

OUT = ROOT / "src" / "model" / "fixtures"
VOCAB = 256
LENGTHS = (24, 29)
LIMIT_BYTES = 150_000

BASE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "torch_dtype": "float32",
}

LLAMA3_SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@dataclass
class Spec:
    """One fixture: its config over BASE, and config changes that must alter the logits."""

    model_type: str
    architecture: str
    config: dict[str, Any] = field(default_factory=dict)
    matters: list[dict[str, Any]] = field(default_factory=list)
    drop: tuple[str, ...] = ()


SPECS: dict[str, Spec] = {
    "llama": Spec("llama", "LlamaForCausalLM", {}, [{"rope_theta": 500.0}]),
    "llama-tied-rope3": Spec(
        "llama",
        "LlamaForCausalLM",
        {"tie_word_embeddings": True, "rope_scaling": LLAMA3_SCALING},
        [{"rope_scaling": None}],
    ),
    # head_dim differs from hidden/heads; configuration keys as transformers 5 writes them.
    "llama-bias": Spec(
        "llama",
        "LlamaForCausalLM",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "head_dim": 10,
            "rope_parameters": {"rope_type": "default", "rope_theta": 700.0},
        },
        [{"attention_bias": False}, {"mlp_bias": False}, {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}],
        drop=("rope_theta",),
    ),
    "mistral": Spec("mistral", "MistralForCausalLM", {"sliding_window": 8}, [{"sliding_window": None}]),
    # sliding_window is present but off, as in the published Qwen2.5 configs.
    "qwen2": Spec(
        "qwen2",
        "Qwen2ForCausalLM",
        {
            "tie_word_embeddings": True,
            "rope_theta": 1000000.0,
            "sliding_window": 8,
            "use_sliding_window": False,
            "max_window_layers": 2,
        },
        [{"use_sliding_window": True, "max_window_layers": 0}],
    ),
    "qwen2-untied": Spec(
        "qwen2", "Qwen2ForCausalLM", {"use_sliding_window": False, "sliding_window": None, "num_key_value_heads": 4}
    ),
    "qwen3": Spec(
        "qwen3",
        "Qwen3ForCausalLM",
        {"head_dim": 12, "tie_word_embeddings": True, "attention_bias": False, "use_sliding_window": False},
        [{"rope_theta": 500.0}],
    ),
    "gemma2": Spec(
        "gemma2",
        "Gemma2ForCausalLM",
        {
            "vocab_size": 192,
            "num_hidden_layers": 3,
            "intermediate_size": 40,
            "head_dim": 16,
            "hidden_activation": "gelu_pytorch_tanh",
            "hidden_act": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": 24,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 10.0,
            "sliding_window": 8,
            "tie_word_embeddings": True,
        },
        [
            {"query_pre_attn_scalar": 16},
            {"attn_logit_softcapping": None},
            {"final_logit_softcapping": None},
            {"sliding_window": 512},
        ],
    ),
    "olmo": Spec("olmo", "OlmoForCausalLM", {"clip_qkv": None, "num_key_value_heads": 4}, drop=("rms_norm_eps",)),
    "olmo-clip": Spec(
        "olmo",
        "OlmoForCausalLM",
        {"clip_qkv": 1.0, "tie_word_embeddings": True},
        [{"clip_qkv": None}],
        drop=("rms_norm_eps",),
    ),
    "olmo2": Spec("olmo2", "Olmo2ForCausalLM", {}, [{"rope_theta": 500.0}]),
    # Both kinds of attention, with a rotary base of their own each.
    "gemma3": Spec(
        "gemma3_text",
        "Gemma3ForCausalLM",
        {
            "vocab_size": 192,
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "intermediate_size": 32,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "sliding_window_pattern": 2,
            "rope_local_base_freq": 100.0,
            "tie_word_embeddings": True,
        },
        [
            {"query_pre_attn_scalar": 16},
            {"sliding_window": 512},
            {"rope_local_base_freq": 10000.0},
            {"rope_theta": 100.0},
            {"sliding_window_pattern": 3},
        ],
    ),
    # The same as transformers 5 writes it: a list of layer types, and rotary settings by type.
    "gemma3-types": Spec(
        "gemma3_text",
        "Gemma3ForCausalLM",
        {
            "vocab_size": 192,
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "intermediate_size": 32,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": 16,
            "sliding_window": 8,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
            },
            "tie_word_embeddings": True,
        },
        [
            {"layer_types": ["sliding_attention", "full_attention", "full_attention"]},
            {
                "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 500.0},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
                }
            },
        ],
        drop=("rope_theta",),
    ),
    # Every second layer without rotary positions.
    "smollm3": Spec(
        "smollm3",
        "SmolLM3ForCausalLM",
        {"tie_word_embeddings": True, "no_rope_layer_interval": 2},
        [{"no_rope_layer_interval": 3}, {"rope_theta": 500.0}],
    ),
    "olmo3": Spec(
        "olmo3",
        "Olmo3ForCausalLM",
        {
            "vocab_size": 192,
            "intermediate_size": 32,
            "num_hidden_layers": 3,
            "sliding_window": 8,
            "rope_theta": 500000.0,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 64,
                "beta_fast": 8.0,
                "beta_slow": 1.0,
            },
        },
        [{"sliding_window": 512}, {"rope_scaling": None}],
    ),
    "phi3": Spec(
        "phi3",
        "Phi3ForCausalLM",
        {
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 256,
            "original_max_position_embeddings": 64,
            "partial_rotary_factor": 0.75,
            "head_dim": 8,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0, 1.5, 2.5],
                "long_factor": [2.0, 4.0, 8.0],
            },
        },
        [{"partial_rotary_factor": 1.0, "rope_scaling": None}, {"original_max_position_embeddings": 128}],
    ),
    "granite": Spec(
        "granite",
        "GraniteForCausalLM",
        {
            "tie_word_embeddings": True,
            "embedding_multiplier": 3.0,
            "attention_multiplier": 0.2,
            "residual_multiplier": 0.4,
            "logits_scaling": 0.5,
        },
        [
            {"embedding_multiplier": 1.0},
            {"attention_multiplier": 0.35},
            {"residual_multiplier": 1.0},
            {"logits_scaling": 1.0},
        ],
    ),
    "gpt-neox": Spec(
        "gpt_neox",
        "GPTNeoXForCausalLM",
        {
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "rotary_pct": 0.5,
            "rotary_emb_base": 10000,
            "use_parallel_residual": True,
            "attention_bias": True,
        },
        [{"use_parallel_residual": False}, {"rotary_pct": 1.0}],
        drop=("rms_norm_eps", "rope_theta", "num_key_value_heads"),
    ),
    "gpt2": Spec(
        "gpt2",
        "GPT2LMHeadModel",
        {
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_inner": 48,
            "n_positions": 128,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "scale_attn_by_inverse_layer_idx": False,
            "tie_word_embeddings": True,
        },
        [{"activation_function": "relu"}],
        drop=(
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "hidden_act",
            "max_position_embeddings",
            "rms_norm_eps",
            "rope_theta",
        ),
    ),
}


def randomize(model: torch.nn.Module, config: dict[str, Any], seed: int) -> None:
    """Give every weight a scale at which attention is peaked and logits are of order 1 to 10."""
    generator = torch.Generator().manual_seed(seed)
    tied = config["tie_word_embeddings"]
    for name, weight in model.named_parameters():
        draw = torch.randn(weight.shape, generator=generator)
        if name.endswith("bias"):
            weight.data = draw * 0.5
        elif "norm" in name or "ln_" in name:
            # Gemma multiplies by 1 + weight.
            weight.data = draw * 0.2 + (0.0 if config["model_type"].startswith("gemma") else 1.0)
        elif "wpe" in name:
            weight.data = draw * 0.3
        elif any(part in name for part in ("embed_tokens", "embed_in", "wte")):
            weight.data = draw * (0.5 if tied else 1.0)
        else:
            peaked = ("q_proj", "k_proj", "lm_head", "embed_out", "qkv_proj", "query_key_value", "c_attn")
            gain = 1.6 if any(part in name for part in peaked) else 1.0
            # GPT-2 holds its weights as [in, out].
            width = weight.shape[0] if "c_" in name else weight.shape[1]
            weight.data = draw * (gain / width**0.5)


def load(folder: Path, changes: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """Load a fixture folder through transformers, optionally with some config keys changed."""
    config = json.loads((folder / "config.json").read_text())
    config.update(changes or {})
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "config.json").write_text(json.dumps(config))
        weights = load_file(folder / "model.safetensors")
        save_file(weights, Path(scratch) / "model.safetensors", metadata={"format": "pt"})
        model = AutoModelForCausalLM.from_pretrained(scratch, attn_implementation="eager", dtype=dtype)
    return model.eval()


@torch.no_grad()
def logits_of(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def make(name: str, spec: Spec, seed: int) -> None:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": [spec.architecture],
        "model_type": spec.model_type,
        **{key: value for key, value in BASE.items() if key not in spec.drop},
        **spec.config,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), attn_implementation="eager")
    randomize(model, config, seed)
    tensors = {key: value.detach().contiguous().float() for key, value in model.state_dict().items()}
    if config["tie_word_embeddings"]:
        del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    model = load(folder)
    exact = load(folder, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed + 1)
    sequences, error, largest = [], 0.0, 0.0
    for length in LENGTHS:
        ids = torch.randint(3, config["vocab_size"], (length,), generator=generator).tolist()
        logits = logits_of(model, ids)
        logprobs = torch.log_softmax(logits[:-1], -1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
        hidden = model(torch.tensor([ids]), use_cache=False, output_hidden_states=True).hidden_states
        error = max(error, (logits - logits_of(exact, ids)).abs().max().item())
        largest = max(largest, logits.abs().max().item())
        for change in spec.matters:
            moved = (logits_of(load(folder, change), ids) - logits).abs().max().item()
            assert moved > 0.05, f"{name}: {change} moves the logits by {moved} only"
        sequences.append(
            {
                "ids": ids,
                "logits": seven(logits[-3:]),
                "nextLogprobs": seven(logprobs),
                "hiddenLast": [seven(layer[0, -1]) for layer in hidden],
            }
        )
    assert error < 2e-5, f"{name}: fp32 is {error} away from fp64"
    write_json(
        folder / "golden.json",
        {
            "architecture": spec.architecture,
            "versions": versions("torch", "transformers"),
            "fp32ErrorAgainstFp64": seven(error),
            "sequences": sequences,
        },
    )
    size = (folder / "model.safetensors").stat().st_size
    assert size < LIMIT_BYTES, f"{name}: {size} bytes"
    print(f"{name}: {size} bytes, |logit| <= {largest:.2f}, fp32-fp64 {error:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = sys.argv[1:] or list(SPECS)
    for index, (name, spec) in enumerate(SPECS.items()):
        if name in chosen:
            make(name, spec, seed=1000 + index)
