"""Where the result goes: `job` (the job's own output), `hf:ORG/NAME`, or a folder that all can see (a path, s3://…)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyarrow import fs

# Bytes of a file in one line of the output: after a break at most so many come again.
PIECE = 3 << 14

Send = Any  # a function that takes one event


def filesystem(storage: str) -> tuple[fs.FileSystem, str]:
    """The file system of a storage address, and the path in it."""
    if not storage.startswith("s3://"):
        return fs.LocalFileSystem(), storage
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
    how = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme} if endpoint.netloc else {}
    return fs.S3FileSystem(**how), storage.removeprefix("s3://").rstrip("/")


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of each file, which evoke checks when it fetches them."""
    found = []
    for path in sorted(folder.iterdir()):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 22):
                digest.update(piece)
        found.append({"name": path.name, "size": path.stat().st_size, "sha256": digest.hexdigest()})
    return found


def check_storage(storage: str, job_id: str) -> None:
    """Writes and removes a small file where the result will go. Raises RuntimeError when that fails."""
    if storage == "job":
        return
    try:
        if storage.startswith("hf:"):
            from huggingface_hub import HfApi

            HfApi().create_repo(storage.removeprefix("hf:").partition("@")[0], private=True, exist_ok=True)
            return
        system, root = filesystem(f"{storage.rstrip('/')}/{job_id}")
        system.create_dir(root, recursive=True)
        with system.open_output_stream(f"{root}/.access") as out:
            out.write(b"evoke")
        system.delete_file(f"{root}/.access")
    except Exception as error:
        raise RuntimeError(f"the cluster cannot write to cluster.storage {storage}: {error}") from error


def deliver(folder: Path, kind: str, storage: str, job_id: str, send: Send) -> None:
    """Puts the files of a folder where evoke looks for them and sends their list. `kind`: adapter or model."""
    files = manifest(folder)
    if storage == "job":
        for entry in files:
            data = (folder / entry["name"]).read_bytes()
            for at in range(0, max(1, len(data)), PIECE):
                piece = base64.b64encode(data[at : at + PIECE]).decode()
                send({"event": "file", "name": entry["name"], "at": at, "data": piece})
    elif storage.startswith("hf:"):
        from huggingface_hub import HfApi

        repository, _, revision = storage.removeprefix("hf:").partition("@")
        api = HfApi()
        api.create_repo(repository, private=True, exist_ok=True)
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        (folder / "manifest.json").write_text(json.dumps(files), encoding="utf-8")
        api.upload_folder(repo_id=repository, folder_path=str(folder), revision=revision or None, commit_message=job_id)
    else:
        system, root = filesystem(f"{storage.rstrip('/')}/{job_id}/{kind}")
        system.create_dir(root, recursive=True)
        fs.copy_files(str(folder), root, source_filesystem=fs.LocalFileSystem(), destination_filesystem=system)
        # Last, so that a list that can be read means files that are whole.
        with system.open_output_stream(f"{root}/manifest.json") as out:
            out.write(json.dumps(files).encode())
    send({"event": "result", "kind": kind, "files": files})
