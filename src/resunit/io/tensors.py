"""safetensors files with one JSON record, proved whole on reading. Nothing else is ever read: no pickles."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, uint8

from resunit.errors import FileFormatError
from resunit.io.atomic import write_atomically


def write_tensors(path: Path, kind: str, record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write `tensors` and `record` atomically; `kind` is the one metadata key (several come out shuffled)."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = json.dumps({"sha256": digest(stored), "record": record}, allow_nan=False)
    write_atomically(path, safetensors.torch.save(stored, {kind: metadata}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The record and the tensors of a file of that `kind`; raises FileFormatError naming the file."""
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path}: not a readable safetensors file ({error}); pickled weights are never loaded"
        ) from error
    if kind not in metadata:
        raise FileFormatError(f"{path}: a safetensors file, but not one of resunit's: it holds no {kind}")
    try:
        content = json.loads(metadata[kind])
        whole = content["sha256"] == digest(tensors)
        record = content["record"]
    except (ValueError, LookupError, TypeError) as error:
        raise FileFormatError(f"{path}: its {kind} record is damaged ({error})") from error
    if not whole:
        raise FileFormatError(f"{path}: damaged: its tensors are not those that were written")
    return record, tensors


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(uint8).numpy().tobytes())
    return sha.hexdigest()
