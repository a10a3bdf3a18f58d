"""Checkpoints: all that a run needs to go on bit for bit, in one safetensors file a checkpoint.

The previous checkpoint is kept until the new one has been read back from disk.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from resunit.files import write_atomically

KEY = "resunit-checkpoint"


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]
) -> Path:
    """Write `step`'s checkpoint, read it back, then delete the older ones."""
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:08d}.safetensors"
    older = sorted(folder.glob("step-*.safetensors"))
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, safetensors.torch.save(stored, {KEY: json.dumps(progress)}))
    read_back, _ = read_checkpoint(path)
    if not all(torch.equal(read_back[name], tensor) for name, tensor in stored.items()):
        raise OSError(f"{path}: what was read back differs from what was written; is the disk failing?")
    for old in older:
        if old != path:
            old.unlink(missing_ok=True)
    return path


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and progress of a checkpoint; raises SafetensorError, KeyError or ValueError if damaged."""
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()[KEY])
        return {name: file.get_tensor(name) for name in file.keys()}, progress  # noqa: SIM118


def newest_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint that is whole, or None if there is none."""
    for path in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            return read_checkpoint(path)
        except (SafetensorError, KeyError, TypeError, ValueError):
            continue
    return None
