"""Writes a TensorBoard event file with TensorBoard's own writer, for src/report/tensorboard.test.ts.

Usage: python tools/golden/tensorboard_events.py src/report/fixtures
Also checks a file of ours:   python tools/golden/tensorboard_events.py --read FILE
"""

import base64
import json
import struct
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import masked_crc32c

POINTS = [
    ("train/loss", 2.5, 0, 1700000000.25),
    ("train/lr", 1e-4, 1, 1700000001.5),
    ("eval/höhe", -0.0, 300, 1700000002.0),
    ("train/loss", 1e30, 2**40 + 1, 1700000003.75),
]
START = 1700000000.0


def record(event):
    data = event.SerializeToString()
    header = struct.pack("<Q", len(data))
    return header + struct.pack("<I", masked_crc32c(header)) + data + struct.pack("<I", masked_crc32c(data))


def write(folder):
    events = [
        Event(wall_time=START, file_version="brain.Event:2"),
        Event(wall_time=START, step=7, session_log=SessionLog(status=SessionLog.START)),
    ]
    for tag, value, step, wall_time in POINTS:
        value = Summary.Value(tag=tag, simple_value=value)
        events.append(Event(wall_time=wall_time, step=step, summary=Summary(value=[value])))
    points = [{"tag": t, "value": v, "step": s, "wallTime": w} for t, v, s, w in POINTS]
    fixture = {"start": START, "fromStep": 7, "points": points, "base64": ""}
    fixture["base64"] = base64.b64encode(b"".join(record(event) for event in events)).decode()
    Path(folder, "tensorboard-events.json").write_text(json.dumps(fixture, indent=1, ensure_ascii=False) + "\n")


def read(path):
    for event in LegacyEventFileLoader(path).Load():
        for value in event.summary.value:
            print(value.tag, value.simple_value, event.step, event.wall_time)


if __name__ == "__main__":
    read(sys.argv[2]) if sys.argv[1] == "--read" else write(sys.argv[1])
