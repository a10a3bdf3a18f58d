"""TensorFlow.js' layers format: a model.json that names shards of little-endian numbers beside it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from resunit.errors import FileFormatError
from resunit.io.json_text import parse_json

BYTES_A_NUMBER = 4
LARGEST_MANIFEST = 50_000_000  # bytes


def read_tensorflow_js(path: Path) -> dict[str, Tensor]:
    """Return the tensors by name, such as "conv1/kernel".

    Args:
        path: the model.json; its shards stand in the same folder.

    Raises:
        FileFormatError: the file is no model.json, or a shard is missing, too short, or elsewhere.
    """
    if path.stat().st_size > LARGEST_MANIFEST:
        raise FileFormatError(f"{path}: too large for a model.json; name a weights file")
    try:
        groups = parse_json(path.read_bytes())["weightsManifest"]
        return {name: tensor for group in groups for name, tensor in _tensors(path, group)}
    except OSError as error:
        raise FileFormatError(
            f"{error.filename}: cannot be read ({error.strerror}), and {path} names it"
        ) from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: no model.json of TensorFlow.js ({type(error).__name__} {error})"
        ) from error


def _tensors(path: Path, group: dict[str, Any]) -> list[tuple[str, Tensor]]:
    content = b""
    for shard in group["paths"]:
        if Path(shard).name != shard:
            raise FileFormatError(f"{path}: names the shard {shard!r}, which is not beside it")
        content += (path.parent / shard).read_bytes()
    found, offset = [], 0
    for weight in group["weights"]:
        name, shape = str(weight["name"]), tuple(int(size) for size in weight["shape"])
        if weight["dtype"] != "float32" or "quantization" in weight:
            raise FileFormatError(f"{path}: {name} is not stored as float32, and nothing else is read")
        if any(size < 0 for size in shape):
            raise FileFormatError(f"{path}: {name} has the shape {shape}")
        length = BYTES_A_NUMBER * math.prod(shape)
        part = content[offset : offset + length]
        if len(part) != length:
            raise FileFormatError(f"{path}: its shards end before {name} does; get them again")
        numbers = np.frombuffer(part, dtype="<f4").astype(np.float32).reshape(shape)
        found.append((name, torch.from_numpy(numbers)))
        offset += length
    return found
