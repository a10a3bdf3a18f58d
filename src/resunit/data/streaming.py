"""Images that stay on disk and are decoded when they are needed, so memory does not limit their number."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from resunit.data.augmentation import Augmentation, EpochPlan
from resunit.data.images import memory
from resunit.data.remarks import Remarks, hear_pillow_warnings, listening, print_remarks
from resunit.errors import DataError
from resunit.io.cores import available_cores
from resunit.io.ending_signals import ENDING_SIGNALS

if TYPE_CHECKING:
    from resunit.data.crops import Crop

IMAGES_PER_PART = 32  # Evaluation's images are decoded in parts of this many.
MAX_DECODING_PROCESSES = 8
# A GPU leaves all cores to decoding, and can train on more images than eight processes decode.
MAX_DECODING_PROCESSES_FOR_GPU = 32

EvaluationCrop = Literal["crop", "large crop", "ten crops"]


def scaled_side(side: int, sevenths: int) -> int:
    """Return the side of images that goes with training crops of `side` pixels.

    The paper's scales are whole sevenths of its crops of 224 pixels: 8 are 256, 10 are 320, and 15 are 480.
    """
    return round(side * sevenths / 7)


@dataclass(frozen=True, eq=False)
class StreamedSplit:
    """N image files with their labels."""

    root: Path
    """The folder that all files are below."""
    files: np.ndarray
    """The paths (N,) in one array of bytes, which decoding processes share without copies."""
    labels: Tensor
    """(N,) int64."""
    side: int
    """The side in pixels of the crops that training takes."""
    crop: EvaluationCrop = "crop"
    """The crop that evaluation takes."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, indices: Tensor | slice) -> StreamedSplit:
        """Return the images at `indices` as a split."""
        places = indices.numpy() if isinstance(indices, Tensor) else indices
        return replace(self, files=self.files[places], labels=self.labels[indices])

    @property
    def shorter_side(self) -> int:
        """The shorter side in pixels that evaluation scales images to before it crops them."""
        return scaled_side(self.side, 8)

    @property
    def large_side(self) -> int:
        """The side in pixels of the large crop."""
        return scaled_side(self.side, 10)

    def to(self, device: torch.device | str) -> StreamedSplit:
        """Return the same files with the labels on `device`."""
        return replace(self, labels=self.labels.to(device))

    def identity(self) -> Iterator[bytes | memoryview]:
        """Return the bytes that identify the images and labels, in parts.

        Names and sizes of the files stand for their contents, which could take hours to read.

        Raises:
            DataError: a file cannot be found or looked at.
        """
        beginning = len(os.fsencode(self.root))
        for file in self.files:
            try:
                size = os.stat(file).st_size
            except OSError as error:
                problem = f"cannot be read ({error.strerror}); replace or remove it"
                raise DataError(f"{os.fsdecode(file)}: {problem}") from error
            yield b"%s\0%d\0" % (file[beginning:], size)
        yield self.labels.cpu().contiguous().numpy().data

    def augment(
        self, groups: Iterable[tuple[EpochPlan, Tensor]], augmentation: Augmentation
    ) -> Iterator[Tensor]:
        """Return the images as training sees them.

        Args:
            groups: for each part of the result, the epoch's plan and the indices (n,) of the images.
            augmentation: how the images are cropped, and whether their colours change.

        Returns:
            For each group, (n, 3, side, side) uint8.

        Raises:
            DataError: a file is not a readable image; the message names it.
        """
        # torchvision takes long to import, and data sets in memory do without it.
        from resunit.data.crops import TrainingCrop

        requests = (
            list(
                map(
                    Request,
                    plan.images_at(part).tolist(),
                    plan.seeds[part].tolist(),
                    plan.flips[part].tolist(),
                )
            )
            for plan, part in groups
        )
        return _decode_ahead(
            self.files, TrainingCrop(self.side, augmentation), requests, feeds_gpu=self.labels.is_cuda
        )

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """Return the images at `indices` as evaluation sees them, some at a time.

        Args:
            indices: (N,) int64.

        Returns:
            Parts (n, 3, H, W) uint8, or (n, 10, 3, H, W) for ten crops.

        Raises:
            DataError: a file is not a readable image; the message names it.
        """
        from resunit.data.crops import evaluation_crop

        if not len(indices):
            return iter([torch.empty(0, 3, self.side, self.side, dtype=torch.uint8)])
        requests = ([Request(index) for index in part.tolist()] for part in indices.split(IMAGES_PER_PART))
        return _decode_ahead(
            self.files, evaluation_crop(self.side, self.crop), requests, feeds_gpu=self.labels.is_cuda
        )


@dataclass(frozen=True)
class Request:
    """One image that a decoding process is asked for."""

    index: int
    seed: int = 0
    """The seed for what is drawn while the image is cropped."""
    mirrored: bool = False


Heard: TypeAlias = tuple[int, tuple[str, ...]]
"""The index of a file, and the remarks about it."""
Decoded: TypeAlias = Tensor | DataError
"""What is decoded, or why it cannot be. An error is a value, because the loader would raise it anew as a text."""


class _Files(Dataset[tuple[Decoded, Heard]]):
    def __init__(self, files: np.ndarray, crop: Crop):
        self.files, self.crop = files, crop

    def __getitem__(self, request: Request) -> tuple[Decoded, Heard]:
        # Torchvision's transforms draw from torch's default generator. Seeding it is right only because the
        # loader has num_workers >= 1: this runs in a decoding process, and the training program's own
        # generator stays as it is.
        torch.manual_seed(request.seed)
        try:
            with listening() as heard:
                image = self.crop(_path(self.files, request.index))
        except DataError as error:
            return error, (request.index, ())
        return image.flip(-1) if request.mirrored else image, (request.index, tuple(sorted(heard)))


def _path(files: np.ndarray, index: int) -> Path:
    return Path(os.fsdecode(files[index].item()))


def _stack(decoded: list[tuple[Decoded, Heard]]) -> tuple[Decoded, list[Heard]]:
    """Return the images (n, ...) in one tensor, or the first error, and the remarks about the files."""
    images = [image for image, _ in decoded]
    error = next((image for image in images if isinstance(image, DataError)), None)
    return error or default_collate(images), [heard for _, heard in decoded if heard[1]]


def _decode_ahead(
    files: np.ndarray, crop: Crop, requests: Iterable[list[Request]], *, feeds_gpu: bool
) -> Iterator[Tensor]:
    """Return the images of each list of requests, decoded by other processes before they are needed.

    For a GPU they lie in pinned memory, from which it copies them while the host goes on.

    Raises:
        DataError: a file is not a readable image; the message names it.
    """
    count = _decoding_processes(feeds_gpu)
    loader = DataLoader(
        _Files(files, crop),
        batch_sampler=requests,
        collate_fn=_stack,
        num_workers=count,
        worker_init_fn=partial(_prepare_process, count),
        pin_memory=feeds_gpu,
        # From Python 3.14 on, other processes would import the program that calls, and start its work anew in each.
        multiprocessing_context="fork" if sys.platform == "linux" else None,
        generator=torch.Generator(),  # By default the loader draws from the program's own generator.
    )
    processes = iter(loader)
    try:
        for decoded, heard in processes:
            for index, texts in heard:
                remarks = Remarks()
                remarks.add(_path(files, index), texts)
                print_remarks(remarks)
            if isinstance(decoded, DataError):
                raise decoded
            yield decoded
    finally:
        # A caller that keeps the error keeps the loader, and Python's exit would wait for its processes.
        processes._shutdown_workers()  # pyright: ignore[reportAttributeAccessIssue]


def _decoding_processes(feeds_gpu: bool) -> int:
    """Return one process for each core, which the ranks that torchrun started on this machine share."""
    most = MAX_DECODING_PROCESSES_FOR_GPU if feeds_gpu else MAX_DECODING_PROCESSES
    return max(1, min(most, available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def _prepare_process(count: int, _process: int) -> None:
    """Make a decoding process ignore signals, and draw the same numbers whatever program it belongs to."""
    # A terminal or a batch system sends its signals to all processes, and the parent decides whether to stop and
    # what to write before.
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_default_dtype(torch.float32)  # The parent's other default would be inherited.
    hear_pillow_warnings()
    memory.processes = count
