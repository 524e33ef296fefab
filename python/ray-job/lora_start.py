"""The first values of an adapter, as evoke's own engine draws them: A uniform in ±1/sqrt(inputs), B zero."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import torch


def _streams(keys: list[list]) -> np.ndarray:
    """One generator (xoshiro128**, Blackman and Vigna 2018) for each key, all advanced at once. [4, keys]"""
    digests = [hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()[:16] for key in keys]
    state = np.frombuffer(b"".join(digests), dtype="<u4").reshape(-1, 4).T.copy()
    state[3] |= 1
    return state


def _next(state: np.ndarray) -> np.ndarray:
    a, b, c, d = state
    r = b * np.uint32(5)
    result = ((r << np.uint32(7)) | (r >> np.uint32(25))) * np.uint32(9)
    t = b << np.uint32(9)
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d[:] = (d << np.uint32(11)) | (d >> np.uint32(21))
    return result


def start_adapter(model: torch.nn.Module, seed: int) -> None:
    """Overwrites every lora_A and lora_B of a PEFT model. Layers of one width are drawn together."""
    by_width: dict[int, list[tuple[list, torch.nn.Parameter]]] = {}
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.zeros_(parameter)
        elif ".lora_A." in name:
            parts = name.split(".")
            layer, linear = parts[parts.index("layers") + 1], ".".join(parts[parts.index("layers") + 2 : parts.index("lora_A")])
            by_width.setdefault(parameter.shape[1], []).append((["lora-init", seed, int(layer), linear], parameter))
    for width, found in by_width.items():
        state = _streams([key for key, _ in found])
        count = found[0][1].numel()
        values = np.empty((count, len(found)), dtype=np.float32)
        bound = 1 / math.sqrt(width)
        for i in range(count):
            high, low = _next(state) >> np.uint32(5), _next(state) >> np.uint32(6)
            uniform = (high * 67108864.0 + low) / 9007199254740992.0
            values[i] = (2 * uniform - 1) * bound
        for column, (_, parameter) in enumerate(found):
            drawn = torch.from_numpy(values[:, column].copy()).reshape(parameter.shape)
            parameter.data.copy_(drawn)
