"""A data set in memory: uint8 images, labels, and the checksum that identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import torch
from torch import Tensor

from resunit.data.streaming import StreamedSplit
from resunit.errors import UsageError

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True)
class Split:
    """`images` (N, 3, H, W) uint8 and `labels` (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, indices: Tensor | slice) -> Split:
        return Split(self.images[indices], self.labels[indices])

    @property
    def side(self) -> int:
        return self.images.shape[-1]

    def to(self, device: torch.device | str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))

    def add_to(self, digest: _Hash) -> None:
        digest.update(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy().data)
        digest.update(self.labels.cpu().contiguous().numpy().data)

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """The images at `indices` as tests see them."""
        yield self.images[indices.to(self.images.device)]


S = TypeVar("S", bound=Split | StreamedSplit, covariant=True)


@dataclass(frozen=True)
class Dataset(Generic[S]):
    """Images to learn from and images to be judged on, in memory or streamed from disk.

    `checksum` is the SHA-256, in hexadecimal, of the images, labels and class names (of streamed images: of
    the files' names and sizes); `source` says where they
    came from. `split_name` tells what `test` holds: the "test" images, or "validation" images to tune with.
    """

    name: str
    classes: tuple[str, ...]
    train: S
    test: S
    checksum: str
    source: str
    split_name: Literal["test", "validation"] = "test"

    def to(self, device: torch.device | str) -> Dataset[S]:
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def hold_out(self, images: int, seed: int = 0) -> Dataset[S]:
        """The same data with `images` of the training images in the place of the test images.

        Every class gives the same share of its images, as nearly as whole images allow; `seed` decides which.
        The real test images are not in the result. Raises UsageError unless 0 < images < len(train).
        """
        count = len(self.train)
        if not 0 < images < count:
            raise UsageError(f"cannot hold out {images} of the {count} training images of {self.name}")
        chosen = spread_over_classes(self.train.labels.cpu(), seed)[:images]
        if isinstance(self.train, Split):  # a streamed split stays spread over its classes from the beginning
            chosen = chosen.sort().values
        left = torch.ones(count, dtype=torch.bool)
        left[chosen] = False
        device = self.train.labels.device
        train, validation = self.train[left.to(device)], self.train[chosen.to(device)]
        checksum = content_checksum(self.classes, train, validation)
        return replace(self, train=train, test=validation, checksum=checksum, split_name="validation")


def spread_over_classes(labels: Tensor, seed: int) -> Tensor:
    """All indices in a random order of which every beginning holds about the same share of each class."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shares = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = order[labels[order] == label]
        shares[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return order[shares[order].argsort(stable=True)]


def content_checksum(classes: tuple[str, ...], *splits: Split | StreamedSplit) -> str:
    """SHA-256, in hexadecimal, over the class names and what identifies every split."""
    digest = hashlib.sha256("\0".join(classes).encode())
    for split in splits:
        split.add_to(digest)
    return digest.hexdigest()
