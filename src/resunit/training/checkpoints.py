"""Checkpoints: all that a run needs to go on bit for bit, in one file each.

The previous checkpoint is kept until the new one has been read back from disk.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resunit.errors import FileFormatError, RunError
from resunit.io.tensors import read_tensors, write_tensors

KIND = "resunit-checkpoint"


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]
) -> None:
    """Write `step`'s checkpoint, read it back, then delete the older ones."""
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:08d}.safetensors"
    older = set(folder.glob("step-*.safetensors")) - {path}
    write_tensors(path, KIND, progress, tensors)
    _, read_back = read_tensors(path, KIND)
    if not all(torch.equal(read_back[name], tensor.cpu()) for name, tensor in tensors.items()):
        raise RunError(f"{path}: what was read back differs from what was written; is the disk failing?")
    for old in older:
        old.unlink(missing_ok=True)


def newest_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and progress of the newest checkpoint that is whole, or None if there is none yet.

    Raises FileFormatError if there are checkpoints and none of them is whole.
    """
    damaged = None
    for path in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            progress, tensors = read_tensors(path, KIND)
        except FileFormatError as error:
            damaged = damaged or error
        else:
            return tensors, progress
    if damaged is not None:
        raise damaged
    return None
