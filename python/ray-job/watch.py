"""What happens beside the steps of training: metrics, validation, early stop, checkpoints."""

from __future__ import annotations

import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import ray.train
import torch
import torch.distributed as dist
from transformers import TrainerCallback

import inputs
from quiet import check_unchanged, gradient_probe, quiet


# Beside the result and in checkpoints: the steps told, so that a result fetched later is a whole run.
STEPS = "steps.jsonl"


class Watch(TrainerCallback):
    """Sends each step to evoke; computes the validation loss and saves checkpoints when the recipe says so."""

    def __init__(self, job: dict[str, Any], send: Any, checkpoints: bool) -> None:
        self.recipe, self.steps_per_epoch, self.send = job["recipe"], job["steps_per_epoch"], send
        self.checkpoints = checkpoints
        self.main = ray.train.get_context().get_world_rank() == 0
        self.validation = inputs.rows("validation.jsonl") if job["validation"] else []
        self.validation_loss: float | None = None
        self.best: tuple[float, int, dict[str, torch.Tensor]] | None = None
        self.stale = 0
        self.steps: list[dict[str, Any]] = []
        self.proven = False
        self.trainer: Any = None
        self.began = 0.0

    def on_step_begin(self, args, state, control, **_):
        self.began = time.monotonic()

    def on_step_end(self, args, state, control, model=None, **_):
        self.validation_loss = None
        if self.validation and self._due(state.global_step, state.max_steps):
            self.validation_loss = self._validate(model) if self.proven else self._validate_watched(model)
            if self.recipe.get("early_stop"):
                self._judge(self.validation_loss, state.global_step, model, control)

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs["grad_norm"]):
            raise FloatingPointError(f"loss or gradient is not finite at step {state.global_step}; lower optimizer.lr")
        if not self.main:
            return
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        step = {
            "event": "step",
            "seconds": time.monotonic() - self.began,
            "step": state.global_step,
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            "rss_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else peak,
        }
        if self.validation_loss is not None:
            step["validation_loss"] = self.validation_loss
        self.send(step)
        self.steps.append(step)

    def write_steps(self, path: Path) -> None:
        path.write_text("".join(f"{json.dumps(step)}\n" for step in self.steps), encoding="utf-8")

    def remember(self, checkpoint: ray.train.Checkpoint) -> None:
        """The steps up to a checkpoint, told by an earlier attempt."""
        with checkpoint.as_directory() as folder:
            path = Path(folder) / STEPS
            if path.exists():
                self.steps = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def on_save(self, args, state, control, **_):
        if not self.checkpoints:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self.main:
            self.write_steps(folder / STEPS)
        ray.train.report({"step": state.global_step}, checkpoint=ray.train.Checkpoint.from_directory(folder))
        if self.main:
            self.send({"event": "checkpoint", "step": state.global_step})

    def _due(self, step: int, last: int) -> bool:
        every = self.recipe["validation"].get("every_steps")
        return step % every == 0 if every else step % self.steps_per_epoch == 0 or step == last

    def _validate_watched(self, model: torch.nn.Module) -> float:
        """The first validation, with proof that training goes on with the same gradients."""
        own = self.trainer.accelerator.unwrap_model(model)
        device = next(own.parameters()).device
        batch = {name: tensor.to(device) for name, tensor in self.trainer.data_collator(self.validation[:1]).items()}
        before = gradient_probe(own, batch)
        loss = self._validate(model)
        check_unchanged(before, gradient_probe(own, batch))
        self.proven = True
        return loss

    @torch.no_grad()
    def _validate(self, model: torch.nn.Module) -> float:
        """Sum of the loss over all targets of the validation rows, divided by their number; rows are shared out."""
        context, size = ray.train.get_context(), self.recipe["batch"]["micro"]
        share = self.validation[context.get_world_rank() :: context.get_world_size()]
        device = next(model.parameters()).device
        total = torch.zeros(2, dtype=torch.float64)
        with quiet(model):
            for at in range(0, len(share), size):
                batch = self.trainer.data_collator(share[at : at + size])
                batch = {name: tensor.to(device) for name, tensor in batch.items()}
                labels = batch.pop("labels")[:, 1:]
                with self.trainer.compute_loss_context_manager():
                    logits = model(**batch, use_cache=False).logits[:, :-1].float()
                loss = torch.nn.functional.cross_entropy(
                    logits.transpose(1, 2), labels, ignore_index=inputs.IGNORE, reduction="sum"
                )
                total += torch.tensor([loss.item(), (labels != inputs.IGNORE).sum().item()], dtype=torch.float64)
        total = total.to(device)
        if dist.is_initialized():
            dist.all_reduce(total)
        return (total[0] / total[1]).item()

    def _judge(self, loss: float, step: int, model: torch.nn.Module, control: Any) -> None:
        rule = self.recipe["early_stop"]
        if self.best is None or loss < self.best[0] - rule["min_delta"]:
            kept = {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}
            self.best, self.stale = (loss, step, kept if self.main else {}), 0
            return
        self.stale += 1
        if self.stale >= rule["patience"]:
            control.should_training_stop = True

    def restore_best(self, model: torch.nn.Module) -> int | None:
        """With early stop the result is the best validated one. Returns its step."""
        if self.best is None:
            return None
        for name, parameter in model.named_parameters():
            if name in self.best[2]:
                parameter.data.copy_(self.best[2][name])
        return self.best[1]
