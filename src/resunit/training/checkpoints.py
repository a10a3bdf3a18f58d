"""Checkpoints: each is one file with everything that a run needs to continue bit for bit.

The newest two are kept, the new one after it was read back from disk: if the newest is damaged later, a run goes on
from the one before.
"""

import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from resunit.errors import DamagedRun, FileFormatError, RunError
from resunit.io.atomic import make_folder
from resunit.io.fields import to_json
from resunit.io.tensors import read_tensors, select_named, write_tensors
from resunit.runs.folder import KIND_OF_CHECKPOINT as KIND
from resunit.runs.record_files import typed_record
from resunit.training.state import TrainingState

NETWORK, OPTIMIZER, KEPT = "network.", "optimizer.", "kept."
OPTIMIZER_IN_FORMAT_1 = "optimiser."


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a network and of its optimizer, each by name, and the state of the run."""

    state: TrainingState
    network: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """The average and the best weights, where a recipe keeps others than those of the last step."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, previous: int | None = None) -> None:
    """Write a checkpoint, read it back, and then delete the older ones but the previous one.

    Args:
        folder: the run's folder of checkpoints; it is made if there is none.
        checkpoint: its `state.step` names the file.
        previous: the step of the checkpoint that was written or loaded last, which is whole.

    Raises:
        WriteError: the operating system refused to write the file.
        RunError: the file does not hold what was written.
    """
    make_folder(folder)
    path = _path_of(folder, checkpoint.state.step)
    kept = {path} if previous is None else {path, _path_of(folder, previous)}
    tensors = {f"{NETWORK}{name}": tensor for name, tensor in checkpoint.network.items()}
    tensors |= {f"{OPTIMIZER}{name}": tensor for name, tensor in checkpoint.optimizer.items()}
    tensors |= {f"{KEPT}{name}": tensor for name, tensor in checkpoint.kept.items()}
    write_tensors(path, KIND, to_json(checkpoint.state), tensors)
    _, read_back = read_tensors(path, KIND)
    if not all(torch.equal(read_back[name], tensor.cpu()) for name, tensor in tensors.items()):
        raise RunError(f"{path}: does not hold what was written; check the disk")
    for old in set(folder.glob("step-*.safetensors")) - kept:
        with suppress(OSError):  # A file that stays costs space alone.
            old.unlink()


def find_newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, or None if there is none yet.

    A DamagedRun warning names a newer one that is not whole.

    Raises:
        FileFormatError: there are checkpoints, and none of them is whole; or the newest is of a newer format.
    """
    damaged = None
    for path in sorted(folder.glob("step-*.safetensors"), reverse=True):
        try:
            record, tensors = read_tensors(path, KIND)
        except FileFormatError as error:
            damaged = damaged or error
        else:
            checkpoint = _checkpoint(typed_record(TrainingState, record, str(path)), tensors)
            if damaged is not None:
                warnings.warn(
                    f"{damaged}; the run goes on from step {checkpoint.state.step}", DamagedRun, stacklevel=2
                )
            return checkpoint
    if damaged is not None:
        raise damaged
    return None


def _path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.safetensors"


def _checkpoint(state: TrainingState, tensors: Mapping[str, Tensor]) -> Checkpoint:
    return Checkpoint(
        state,
        network=select_named(tensors, NETWORK),
        optimizer=select_named(tensors, OPTIMIZER) | select_named(tensors, OPTIMIZER_IN_FORMAT_1),
        kept=select_named(tensors, KEPT),
    )
