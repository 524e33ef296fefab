"""Helpers shared by the scripts that make golden fixtures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def seven(value: Any) -> Any:
    """Round floats (also inside lists and tensors) to 7 significant digits."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [seven(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a golden value is not finite")
        return float(f"{value:.7g}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write one top-level key per line, so that files diff well and stay small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{json.dumps(key)}: {json.dumps(item, separators=(',', ':'))}" for key, item in value.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def versions(*names: str) -> dict[str, str]:
    """The versions of the packages that made a fixture."""
    from importlib.metadata import version

    return {name: version(name) for name in names}
