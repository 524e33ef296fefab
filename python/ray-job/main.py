"""
The Ray job that evoke submits. It prints one line starting with `evoke:` for each event (a JSON object): begin, start,
step, checkpoint, file, result, done, or error. Everything else it prints is for people.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import threading
import time
import traceback
from queue import Empty
from typing import Any

import ray
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.util.queue import Queue

import inputs
from results import check_storage, filesystem


def train(config: dict[str, Any]) -> None:
    """In each worker. The driver needs none of the libraries that this loads."""
    import worker

    worker.train(config)


# Each message ends with a number of its own, larger than all before: evoke reads on behind the last one it knows.
NUMBERS = itertools.count(time.time_ns() // 1000)


def say(event: dict[str, Any]) -> None:
    print(f"evoke: {json.dumps({**event, 'n': next(NUMBERS)})}", flush=True)


def listen(queue: Queue, finished: threading.Event) -> None:
    """Prints the workers' events from this process: lines of other processes may be merged or held back by Ray."""
    while True:
        try:
            say(queue.get(timeout=0.5))
        except Empty:
            if finished.is_set():
                return


def cause(error: BaseException) -> str:
    """The last line of the innermost error: what a person wants to read first."""
    text = "".join(traceback.format_exception_only(error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


# What worker.py imports, by the module's name.
NEEDED = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


@ray.remote(num_cpus=0, max_retries=0)
def missing(modules: list[str]) -> list[str]:
    """Asked where workers run, before any of them loads a model."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def check(job: dict[str, Any]) -> None:
    """Raises RuntimeError for what would fail later: packages, access to the storage."""
    quantised = job["recipe"]["quantization"]["type"] != "none"
    trackers = [tracker for tracker in job["recipe"]["report_to"] if tracker != "tensorboard"]  # named as their packages
    lacking = ray.get(missing.remote([*NEEDED, *(["bitsandbytes"] if quantised else []), *trackers]))
    if lacking:
        raise RuntimeError(f"the cluster lacks {', '.join(lacking)}; set cluster.pip: default, or install them there")
    check_storage(job["storage"], job["id"])


def run_config(job: dict[str, Any]) -> RunConfig:
    storage = job["storage"]
    if storage == "job" or storage.startswith("hf:"):
        return RunConfig(name=job["id"])
    system, root = filesystem(storage)
    # The same name and place as an earlier attempt: Ray hands the newest checkpoint to the workers.
    return RunConfig(
        name=f"{job['id']}-checkpoints",
        storage_path=root,
        storage_filesystem=system,
        checkpoint_config=CheckpointConfig(num_to_keep=job["recipe"]["checkpoint"]["keep"]),
        failure_config=FailureConfig(max_failures=job["retries"]),
    )


def main() -> int:
    job = inputs.job()
    say({"event": "begin"})
    ray.init(log_to_driver=True)
    queue, finished = Queue(), threading.Event()
    listener = threading.Thread(target=listen, args=(queue, finished))
    listener.start()
    try:
        check(job)
        TorchTrainer(
            train,
            train_loop_config={"queue": queue},
            scaling_config=ScalingConfig(
                num_workers=job["workers"], use_gpu=job["resources"].get("GPU", 0) > 0, resources_per_worker=job["resources"]
            ),
            run_config=run_config(job),
        ).fit()
    except Exception as error:  # noqa: BLE001 - whatever it is, evoke should hear of it
        traceback.print_exc()
        finished.set()
        listener.join()
        say({"event": "error", "message": cause(error)})
        return 1
    finished.set()
    listener.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
