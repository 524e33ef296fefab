"""Write a GGUF file anew with its matrices in another format, so that llama.cpp can be measured on the same model.

    python bench/peers/requantise_gguf.py IN.gguf OUT.gguf --format Q8_0|F32
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description="Rewrite a GGUF file in another weight format.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--format", choices=["Q8_0", "F32"], required=True)
    options = parser.parse_args()
    wanted = gguf.GGMLQuantizationType[options.format]

    reader = gguf.GGUFReader(options.source)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(options.target, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in (gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.FILE_TYPE):
            continue
        kind = field.types[0]
        sub = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=sub)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        values = values.reshape([int(n) for n in reversed(tensor.shape)])
        matrix = values.ndim == 2 and values.shape[-1] % 32 == 0
        if wanted == gguf.GGMLQuantizationType.F32 or not matrix:
            writer.add_tensor(tensor.name, values)
        else:
            writer.add_tensor(tensor.name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
