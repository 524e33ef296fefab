"""Training throughput and peak memory of PyTorch + PEFT on CPU, for comparison with evoke on the same work.

    python bench/peers/pytorch_peft.py --model smollm2-135m --method qlora --r 64 --tokens 512 --micro 4 --steps 5

Every step is one forward, backward, clip and AdamW update over `micro` rows of `tokens` random tokens, each of them
a target unless --targets says otherwise. Prints one line of JSON on stdout.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-5}
QWEN2 = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu", "rms_norm_eps": 1e-6}

# Published shapes, filled with random weights.
SHAPES: dict[str, dict[str, object]] = {
    "smollm2-135m": {
        **LLAMA,
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "max_position_embeddings": 8192,
        "rope_theta": 100000.0,
        "tie_word_embeddings": True,
    },
    "smollm2-360m": {
        **LLAMA,
        "vocab_size": 49152,
        "hidden_size": 960,
        "intermediate_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 15,
        "num_key_value_heads": 5,
        "max_position_embeddings": 8192,
        "rope_theta": 100000.0,
        "tie_word_embeddings": True,
    },
    "qwen2.5-0.5b": {
        **QWEN2,
        "vocab_size": 151936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "tie_word_embeddings": True,
    },
}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="PyTorch + PEFT training throughput on CPU.")
    parser.add_argument("--model", required=True, help=f"Hugging Face folder, .gguf file, or one of {', '.join(SHAPES)}")
    parser.add_argument("--method", choices=["lora", "qlora", "full"], default="lora")
    parser.add_argument("--r", type=int, default=64)
    parser.add_argument("--alpha", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--tokens", type=int, default=512, help="tokens per row")
    parser.add_argument("--micro", type=int, default=4, help="rows per step")
    parser.add_argument("--targets", type=float, default=1.0, help="share of each row, at its end, that is a target")
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warmup", type=int, default=1, help="steps before the clock starts")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.model not in SHAPES and not Path(options.model).exists():
        parser.error(f"--model {options.model}: neither a path nor one of {', '.join(SHAPES)}")
    return options


OPTIONS = arguments()
os.environ.setdefault("OMP_NUM_THREADS", str(OPTIONS.threads))

import torch  # noqa: E402  (after the thread count is set)
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402
from transformers.utils import logging  # noqa: E402


def as_folder(options: argparse.Namespace, scratch: str) -> Path:
    """A Hugging Face folder for --model: what from_pretrained needs to load in 4 bit as well as in fp32."""
    path = Path(options.model)
    if options.model in SHAPES:
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**SHAPES[options.model]), dtype=torch.float32)
    elif path.suffix == ".gguf":
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        # Decoded by now; without this transformers refuses to save it.
        model.hf_quantizer = None
        del model.config.quantization_config
    else:
        return path
    model.save_pretrained(scratch)
    return Path(scratch)


def load_base(options: argparse.Namespace) -> torch.nn.Module:
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    with tempfile.TemporaryDirectory() as scratch:
        return AutoModelForCausalLM.from_pretrained(
            as_folder(options, scratch),
            device_map="cpu",
            dtype=torch.float32,
            attn_implementation=options.attention,
            quantization_config=four_bit if options.method == "qlora" else None,
        )


def reset_peak() -> bool:
    """Forget the peak of loading and quantising, where the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except OSError:
        return False


def peak_since_reset() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(options: argparse.Namespace) -> None:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    model = load_base(options)
    model.config.use_cache = False
    if options.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=options.gradient_checkpointing)
    if options.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if options.method != "full":
        model = get_peft_model(
            model,
            LoraConfig(
                r=options.r,
                lora_alpha=options.alpha,
                lora_dropout=options.dropout,
                bias="none",
                target_modules=LINEARS,
                task_type="CAUSAL_LM",
            ),
        )
        if options.gradient_checkpointing:
            model.enable_input_require_grads()
    model.train()
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=options.lr, weight_decay=0.0)

    generator = torch.Generator().manual_seed(options.seed)
    first_target = options.tokens - max(1, round(options.tokens * options.targets))
    gc.collect()
    loaded_peak = peak_since_reset()
    was_reset = reset_peak()
    times: list[float] = []
    loss_value = float("nan")
    for step in range(options.warmup + options.steps):
        ids = torch.randint(3, model.config.vocab_size, (options.micro, options.tokens), generator=generator)
        labels = ids.clone()
        labels[:, :first_target] = -100
        started = time.perf_counter()
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.3)
        optimiser.step()
        loss_value = loss.item()
        if step >= options.warmup:
            times.append(time.perf_counter() - started)
    train_peak = peak_since_reset()
    median = statistics.median(times)
    print(
        json.dumps(
            {
                "tool": "pytorch+peft",
                "torch": torch.__version__,
                "model": Path(options.model).name,
                "method": options.method,
                "r": options.r,
                "tokens": options.tokens,
                "micro": options.micro,
                "targets": options.targets,
                "threads": options.threads,
                "attention": options.attention,
                "gradient_checkpointing": options.gradient_checkpointing,
                "trainable_parameters": sum(weight.numel() for weight in parameters),
                "tokens_per_s": round(options.micro * options.tokens / median, 2),
                "step_s": [round(value, 3) for value in times],
                "peak_rss_bytes": train_peak if was_reset else max(loaded_peak, train_peak),
                "peak_rss_with_loading_bytes": max(loaded_peak, train_peak),
                "loss": loss_value,
            }
        )
    )


if __name__ == "__main__":
    main(OPTIONS)
