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


def deliver(folder: Path, kind: str, storage: str, job_id: str, send: Send) -> None:
    """Puts the files of a folder where evoke looks for them and sends their list. `kind`: adapter or model."""
    files = manifest(folder)
    if storage == "job":
        for entry in files:
            data = (folder / entry["name"]).read_bytes()
            for at in range(0, max(1, len(data)), 1 << 20):
                piece = base64.b64encode(data[at : at + (1 << 20)]).decode()
                send({"event": "file", "name": entry["name"], "at": at, "data": piece})
    elif storage.startswith("hf:"):
        from huggingface_hub import HfApi

        repository, _, revision = storage.removeprefix("hf:").partition("@")
        api = HfApi()
        api.create_repo(repository, private=True, exist_ok=True)
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=str(folder), revision=revision or None, commit_message=job_id)
    else:
        system, root = filesystem(f"{storage.rstrip('/')}/{job_id}/{kind}")
        system.create_dir(root, recursive=True)
        fs.copy_files(str(folder), root, source_filesystem=fs.LocalFileSystem(), destination_filesystem=system)
        # Last, so that a list that can be read means files that are whole.
        with system.open_output_stream(f"{root}/manifest.json") as out:
            out.write(json.dumps(files).encode())
    send({"event": "result", "kind": kind, "files": files})
