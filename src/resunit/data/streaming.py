"""Images that stay on disk and are decoded as they are needed, so that memory sets no limit."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from resunit.data.augmentation import Augmentation, EpochPlan
from resunit.errors import DataError

if TYPE_CHECKING:
    from hashlib import _Hash

    from resunit.data.crops import View

PICTURES = 32  # decoded together where no batch is asked for
MOST_PROCESSES = 8

EvaluationCrop = Literal["crop", "large crop", "ten crops"]
Key = tuple[int, int, bool]  # an image's index, the seed of what is drawn for it, whether it is mirrored


def sevenths(side: int, count: int) -> int:
    """Scales that go with training crops of `side` pixels: with 224, 8 are 256, 10 are 320, 15 are 480."""
    return round(side * count / 7)


@dataclass(frozen=True, eq=False)
class StreamedSplit:
    """Image files below `root` and their labels (N,) int64; training crops are of `side` pixels.

    `files` (N,) are paths in one array of bytes, which the processes that decode share without copies.
    """

    root: Path
    files: np.ndarray
    labels: Tensor
    side: int
    crop: EvaluationCrop = "crop"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor | slice) -> StreamedSplit:
        places = indices.numpy() if isinstance(indices, Tensor) else indices
        return replace(self, files=self.files[places], labels=self.labels[indices])

    @property
    def shorter_side(self) -> int:
        """Of images in tests, before the crop."""
        return sevenths(self.side, 8)

    @property
    def large_side(self) -> int:
        """Of the large crop, and of the images it is taken from."""
        return sevenths(self.side, 10)

    def to(self, device: torch.device | str) -> StreamedSplit:
        return replace(self, labels=self.labels.to(device))

    def add_to(self, digest: _Hash) -> None:
        """What identifies the images: names, sizes and labels. To read all of them could take hours."""
        beginning = len(os.fsencode(self.root))
        for file in self.files:
            digest.update(b"%s\0%d\0" % (file[beginning:], os.stat(file).st_size))
        digest.update(self.labels.cpu().contiguous().numpy().data)

    def augmented(
        self, groups: Iterable[tuple[EpochPlan, Tensor]], augmentation: Augmentation
    ) -> Iterator[Tensor]:
        """(n, 3, side, side) uint8 for each group's plan and (n,) indices, as training sees them."""
        from resunit.data.crops import TrainingView  # and torchvision, which others need not wait for

        keys = (
            list(zip(part.tolist(), plan.seeds[part].tolist(), plan.flips[part].tolist(), strict=True))
            for plan, part in groups
        )
        return _decoded(self.files, TrainingView(self.side, augmentation), keys)

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """What tests see of `indices`, some images at a time: (n, 3, H, W) uint8, or (n, 10, 3, H, W)."""
        from resunit.data.crops import evaluation_view

        if not len(indices):
            return iter([torch.empty(0, 3, self.side, self.side, dtype=torch.uint8)])
        keys = ([(index, 0, False) for index in part.tolist()] for part in indices.split(PICTURES))
        return _decoded(self.files, evaluation_view(self.side, self.crop), keys)


class _Files(Dataset[Tensor]):
    def __init__(self, files: np.ndarray, view: View):
        self.files, self.view = files, view

    def __getitem__(self, key: Key) -> Tensor:
        index, seed, mirrored = key
        torch.manual_seed(seed)  # in this process, nothing but the view draws
        image = self.view(Path(os.fsdecode(self.files[index])))
        return image.flip(-1) if mirrored else image


def _decoded(files: np.ndarray, view: View, groups: Iterable[list[Key]]) -> Iterator[Tensor]:
    """Each group's images, decoded in processes of their own, ahead of whoever asks for them."""
    loader = DataLoader(
        _Files(files, view), batch_sampler=groups, num_workers=_processes(), worker_init_fn=_leave_signals
    )
    processes = iter(loader)
    try:
        yield from processes
    except DataError as error:  # its text now is the process's traceback, and the line that names the file
        raise DataError(str(error).rpartition("DataError: ")[2].strip()) from error
    finally:  # at once: who holds the error holds the loader, and an exit would wait for its processes
        processes._shutdown_workers()  # pyright: ignore[reportAttributeAccessIssue]


def _processes() -> int:
    """One a core, shared with the other processes that torchrun started on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST_PROCESSES, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def _leave_signals(_process: int) -> None:
    """Ctrl-C reaches all processes: whether to stop, and with what checkpoint, is the main one's to say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
