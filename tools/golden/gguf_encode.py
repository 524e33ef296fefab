"""Blocks as the `gguf` package quantises them: src/quant/fixtures/gguf-encode.json.

    python tools/golden/gguf_encode.py
"""

import base64
import json

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q

from common import ROOT, versions

rng = np.random.default_rng(9)
values = np.concatenate(
    [rng.standard_normal(32 * 6), rng.standard_normal(32) * 1e-6, np.zeros(32), np.full(32, -3.0), np.arange(-16, 16) / 3]
).astype(np.float32)
result = {"versions": versions("gguf", "numpy"), "values": base64.b64encode(values.tobytes()).decode()}
for name, kind in {"f32": Q.F32, "f16": Q.F16, "bf16": Q.BF16, "q8_0": Q.Q8_0, "q4_0": Q.Q4_0}.items():
    result[name] = base64.b64encode(np.ascontiguousarray(gguf.quants.quantize(values, kind)).tobytes()).decode()
(ROOT / "src/quant/fixtures/gguf-encode.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")
