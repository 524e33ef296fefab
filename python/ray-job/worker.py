"""One worker: the recipe's model, tuned by TRL's SFTTrainer on the rows and in the order that evoke planned."""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray.train
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PrinterCallback
from trl import SFTConfig, SFTTrainer

import inputs
from lora_start import start_adapter
from results import deliver
from watch import STEPS, Watch

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def compute_type(job: dict[str, Any]) -> torch.dtype:
    """bfloat16 where the accelerator has it, else float32, unless `cluster.precision` says which."""
    wanted = job["precision"]
    if wanted == "auto":
        wanted = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
    return getattr(torch, wanted)


def load_base(job: dict[str, Any], dtype: torch.dtype) -> torch.nn.Module:
    quantization = job["recipe"]["quantization"]
    how: dict[str, Any] = {}
    if quantization["type"] == "nf4":
        how["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=quantization["double_quant"],
            bnb_4bit_compute_dtype=dtype,
        )
    elif quantization["type"] == "int8":
        how["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    if how:
        how["device_map"] = {"": torch.cuda.current_device() if torch.cuda.is_available() else "cpu"}
    # All weights are trained: they stay in float32, and bfloat16 is used for the arithmetic only.
    dtype = torch.float32 if job["recipe"]["method"] == "full" else dtype
    return AutoModelForCausalLM.from_pretrained(
        inputs.place(job["model"]["name"]), revision=job["model"].get("revision"), dtype=dtype, **how
    )


def adapted(base: torch.nn.Module, job: dict[str, Any]) -> torch.nn.Module:
    recipe = job["recipe"]
    if recipe["method"] == "full":
        return base
    if recipe.get("adapter"):
        return PeftModel.from_pretrained(base, inputs.place(job["adapter"]), is_trainable=True)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        bias="none",
        r=recipe["lora"]["r"],
        lora_alpha=recipe["lora"]["alpha"],
        lora_dropout=recipe["lora"]["dropout"],
        target_modules=job["target_modules"],
        use_rslora=recipe["lora"].get("use_rslora", False),
        use_dora=recipe["lora"].get("use_dora", False),
    )
    model = get_peft_model(base, lora)
    start_adapter(model, recipe["seed"])
    return model


def settings(job: dict[str, Any], dtype: torch.dtype, accumulation: int, output: str, checkpoints: bool) -> SFTConfig:
    recipe, gpu = job["recipe"], torch.cuda.is_available()
    recompute = recipe["memory"]["recompute"]
    warmup = recipe["schedule"]["warmup_steps"] or recipe["schedule"]["warmup_ratio"] * job["steps"]
    return SFTConfig(
        output_dir=output,
        max_steps=job["steps"],
        per_device_train_batch_size=recipe["batch"]["micro"],
        gradient_accumulation_steps=accumulation,
        train_sampling_strategy="sequential",
        learning_rate=recipe["optimizer"]["lr"],
        adam_beta1=recipe["optimizer"]["betas"][0],
        adam_beta2=recipe["optimizer"]["betas"][1],
        adam_epsilon=recipe["optimizer"]["eps"],
        weight_decay=recipe["optimizer"]["weight_decay"],
        optim="adamw_torch",
        lr_scheduler_type=SCHEDULES[recipe["schedule"]["type"]],
        warmup_steps=-int(-warmup // 1),
        # No clipping is a limit that nothing reaches: the norm is still computed.
        max_grad_norm=recipe.get("max_grad_norm") or 1e30,
        seed=recipe["seed"],
        bf16=gpu and dtype == torch.bfloat16,
        use_cpu=not gpu,
        gradient_checkpointing=recompute == "all" or (recompute == "auto" and gpu),
        gradient_checkpointing_kwargs={"use_reentrant": False},
        max_length=None,
        packing=False,
        # The rows are tokens and labels already, and rows without targets must stay.
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        logging_steps=1,
        save_strategy="steps" if checkpoints else "no",
        save_steps=recipe["checkpoint"]["every_steps"],
        save_total_limit=recipe["checkpoint"]["keep"],
        # TensorBoard's files are evoke's own work, in the run folder; written here they would vanish with the worker.
        report_to=[tracker for tracker in recipe["report_to"] if tracker != "tensorboard"] or "none",
        run_name=job["id"],
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
    )


def train(config: dict[str, Any]) -> None:
    """What Ray Train calls in each worker. `config["queue"]` takes the events for evoke."""
    job, queue = inputs.job(), config["queue"]
    send = queue.put
    context = ray.train.get_context()
    main = context.get_world_rank() == 0
    dtype, recipe = compute_type(job), job["recipe"]
    data, accumulation = inputs.training_rows(context.get_world_size(), recipe["batch"]["micro"], recipe["batch"]["accumulation"])
    name, revision = inputs.place(job["model"]["name"]), job["model"].get("revision")
    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    checkpoints = job["storage"] != "job" and not job["storage"].startswith("hf:")
    with tempfile.TemporaryDirectory() as output:
        watch = Watch(job, send, checkpoints)
        trainer = SFTTrainer(
            model=adapted(load_base(job, dtype), job),
            args=settings(job, dtype, accumulation, output, checkpoints),
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[watch],
        )
        trainer.remove_callback(PrinterCallback)
        watch.trainer = trainer
        # TRL turns the adapter of a quantised base to bfloat16; the recipe's AdamW works on float32.
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        before = ray.train.get_checkpoint() if checkpoints else None
        if before:
            watch.remember(before)
        if main:
            send(
                {
                    "event": "start",
                    "after": before_step(before),
                    "workers": context.get_world_size(),
                    "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
                    "precision": str(dtype).removeprefix("torch."),
                    "versions": {p: version(p) for p in ("ray", "torch", "transformers", "trl", "peft", "bitsandbytes")},
                }
            )
        if before:
            with before.as_directory() as folder:
                trainer.train(resume_from_checkpoint=folder)
        else:
            trainer.train()
        best = watch.restore_best(trainer.model)
        if main:
            kind = "model" if recipe["method"] == "full" else "adapter"
            result = Path(output) / "result"
            model = trainer.accelerator.unwrap_model(trainer.model)
            model.save_pretrained(result)
            if kind == "model":
                tokenizer.save_pretrained(result)
            (result / "README.md").unlink(missing_ok=True)
            watch.write_steps(result / STEPS)
            deliver(result, kind, job["storage"], job["id"], send)
            send({"event": "done", "step": trainer.state.global_step, "best_step": best})


def before_step(checkpoint: ray.train.Checkpoint | None) -> int:
    """The step a checkpoint was taken after."""
    if checkpoint is None:
        return 0
    with checkpoint.as_directory() as folder:
        return json.loads((Path(folder) / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
