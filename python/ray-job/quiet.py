"""
Validation that leaves a model as it was.

`model.eval()` asks every library for its inference mode, and some then change what training needs: on CPUs with AVX512-BF16 a
forward of bitsandbytes' Linear4bit in eval mode repacks its weights for good, and gradients through it are wrong from then on.
So modules of quantisation libraries, which have no dropout, stay in the mode they are in, and a probe proves that nothing changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# By package, not by class: whatever they add next is left alone too.
LEFT_ALONE = ("bitsandbytes", "gptqmodel", "awq", "hqq", "torchao", "quanto", "optimum")
# Rounding differs at most in the last digits between two passes over the same numbers.
TOLERANCE = 1e-3


@contextmanager
def quiet(model: torch.nn.Module) -> Iterator[None]:
    """Dropout is off inside; afterwards every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        if type(module).__module__.split(".")[0] not in LEFT_ALONE:
            module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def gradient_probe(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of the loss of one batch without dropout. They are returned, not added to `.grad`."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with quiet(model), torch.enable_grad():
        loss = model(**batch, use_cache=False).loss
        found = torch.autograd.grad(loss, trained, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g.detach().float() for p, g in zip(trained, found, strict=True)]


def check_unchanged(before: list[torch.Tensor], after: list[torch.Tensor], describe: Any = "") -> None:
    """Raises RuntimeError when gradients changed by more than rounding."""
    difference = sum((a - b).square().sum() for a, b in zip(before, after, strict=True)).sqrt().item()
    size = sum(a.square().sum() for a in before).sqrt().item()
    if not difference <= TOLERANCE * max(size, 1e-12):
        raise RuntimeError(
            f"validation changed the model: gradients differ by {difference:.3g} of {size:.3g} afterwards; "
            f"train without validation, or with other versions of the packages {describe}".rstrip()
        )
