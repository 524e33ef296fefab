"""
The Ray job that evoke submits. It prints one line starting with `evoke:` for each event (a JSON object): begin, start,
step, checkpoint, file, result, done, or error. Everything else it prints is for people.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from queue import Empty
from typing import Any

import ray
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.util.queue import Queue

import inputs
from results import filesystem


def train(config: dict[str, Any]) -> None:
    """In each worker. The driver needs none of the libraries that this loads."""
    import worker

    worker.train(config)


def say(text: str) -> None:
    print(f"evoke: {text}", flush=True)


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
    say(json.dumps({"event": "begin"}))
    ray.init(log_to_driver=True)
    queue, finished = Queue(), threading.Event()
    listener = threading.Thread(target=listen, args=(queue, finished))
    listener.start()
    try:
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
        say(json.dumps({"event": "error", "message": cause(error)}))
        return 1
    finished.set()
    listener.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
