"""Golden bytes of bitsandbytes' 4-bit and 8-bit quantisation on CPU, one thread.

Writes src/quant/fixtures/quant.json: for every case the input (fp32, base64), what bitsandbytes stores, and the SHA-256 of what it decodes to.
Also src/model/fixtures/bnb/: two linear layers as bitsandbytes' modules save them, in 4 bits (plain and double quantised) and
8 bits, with a config.json, and expected.json with what they decode to (fp32, base64).

Run: python tools/golden/quant.py    (needs torch, bitsandbytes, numpy, safetensors)
"""

import base64
import hashlib
import json
import pathlib

import bitsandbytes
import numpy as np
import torch
from bitsandbytes import functional as F
from safetensors.torch import save_file

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parents[2]


def b64(tensor):
    return base64.b64encode(np.ascontiguousarray(tensor.detach().numpy()).tobytes()).decode()


def digest(tensor):
    return hashlib.sha256(np.ascontiguousarray(tensor.detach().numpy()).tobytes()).hexdigest()


def cases():
    rng = np.random.default_rng(7)
    normal = lambda rows, columns, scale=0.02: rng.standard_normal((rows, columns)).astype(np.float32) * np.float32(scale)
    yield "random", normal(24, 64)
    yield "constant", np.full((4, 128), 0.3, np.float32)
    yield "zero", np.zeros((2, 64), np.float32)
    mixed = normal(8, 64)
    mixed[3] = 0
    yield "zero-rows", mixed
    yield "denormal", (rng.standard_normal((4, 64)) * 1e-40).astype(np.float32)
    outlier = normal(8, 128)
    outlier[2, 17] = 900
    outlier[5, 64] = -3e6
    yield "outlier", outlier
    yield "midpoints", np.repeat(np.linspace(-1, 1, 257, dtype=np.float32)[None, :256], 2, axis=0)
    yield "short-last-block", normal(3, 50)
    yield "one-row-of-negative", -np.abs(normal(1, 192))


def large(seed, blocks):
    """Too large to store: both sides make it from the same integer hash; only digests are kept."""
    i = np.arange(blocks * 64, dtype=np.uint64)
    x = (i * np.uint64(2654435761) + np.uint64(seed)) & np.uint64(0xFFFFFFFF)
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    x = x ^ (x >> np.uint64(13))
    return ((x.astype(np.float64) / 2**32 - 0.5) * 0.1).astype(np.float32).reshape(blocks, 64)


def run(w, keep):
    t = torch.from_numpy(w)
    out = {}
    for quant_type in ("nf4", "fp4"):
        for nested in (False, True):
            packed, state = F.quantize_4bit(t.clone(), blocksize=64, compress_statistics=nested, quant_type=quant_type)
            decoded = F.dequantize_4bit(packed, state)
            entry = {"packed": keep(packed), "absmax": keep(state.absmax), "decoded": digest(decoded)}
            if nested:
                entry |= {
                    "nested_absmax": keep(state.state2.absmax),
                    "offset": b64(state.offset.reshape(1)),
                }
            out[f"{quant_type}{'-double' if nested else ''}"] = entry
    data, stats, _ = F.int8_vectorwise_quant(t.clone())
    out["int8"] = {"data": keep(data), "rowmax": keep(stats)}
    return out


def main():
    result = {"bitsandbytes": bitsandbytes.__version__, "dynamicMap": b64(F.create_dynamic_map()), "cases": {}, "large": []}
    for name, w in cases():
        result["cases"][name] = {"shape": list(w.shape), "input": b64(torch.from_numpy(w)), **run(w, b64)}
    for seed, blocks in ((1, 40), (2, 1111), (3, 5003), (4, 20000)):
        result["large"].append({"seed": seed, "blocks": blocks, "input": digest(torch.from_numpy(large(seed, blocks))), **run(large(seed, blocks), digest)})
    path = HERE / "src/quant/fixtures/quant.json"
    path.write_text(json.dumps(result, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


def checkpoint():
    folder = HERE / "src/model/fixtures/bnb"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    state, expected = {}, {}
    for name, quant_type, nested in (("nf4", "nf4", True), ("plain", "nf4", False), ("fp4", "fp4", True)):
        # The linear layer's own conversion, done by hand: it would leave the CPU for an accelerator.
        weight = torch.randn(24, 96) * 0.05
        packed, quant = F.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type=quant_type)
        state[f"{name}.weight"] = packed
        for key, value in quant.as_dict(packed=True).items():
            state[f"{name}.weight.{key}"] = value
        expected[f"{name}.weight"] = b64(F.dequantize_4bit(packed, quant))
    weight = torch.randn(6, 96) * 0.05
    data, stats, _ = F.int8_vectorwise_quant(weight.clone())
    state |= {"int8.weight": data, "int8.SCB": stats, "int8.weight_format": torch.tensor(0, dtype=torch.uint8)}
    expected["int8.weight"] = b64((data.double() * stats.double()[:, None] / 127).float())
    state["norm.weight"] = torch.ones(96, dtype=torch.bfloat16) * 1.5
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")


main()
checkpoint()
