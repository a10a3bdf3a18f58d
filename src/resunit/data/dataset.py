"""A data set: images with labels to train on and to evaluate on, and the checksum that identifies them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

import torch
from torch import Tensor

from resunit.data.streaming import StreamedSplit
from resunit.errors import UsageError


@dataclass(frozen=True)
class Split:
    """N images in memory with their labels."""

    images: Tensor
    """(N, 3, H, W) uint8."""
    labels: Tensor
    """(N,) int64."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, indices: Tensor | slice) -> Split:
        """Return the images at `indices` as a split."""
        return Split(self.images[indices], self.labels[indices])

    @property
    def side(self) -> int:
        """The width of the images in pixels."""
        return self.images.shape[-1]

    def to(self, device: torch.device | str) -> Split:
        """Return the same images and labels on `device`."""
        return Split(self.images.to(device), self.labels.to(device))

    def identity(self) -> Iterator[bytes | memoryview]:
        """Return the bytes that identify the images and labels, in parts."""
        yield repr(tuple(self.images.shape)).encode()
        yield self.images.cpu().contiguous().numpy().data
        yield self.labels.cpu().contiguous().numpy().data

    def pictures(self, indices: Tensor) -> Iterator[Tensor]:
        """Return the images at `indices` as evaluation sees them, in one part: (n, 3, H, W) uint8."""
        yield self.images[indices.to(self.images.device)]


S = TypeVar("S", bound=Split | StreamedSplit, covariant=True)


@dataclass(frozen=True)
class Dataset(Generic[S]):
    """Images to train on and images to evaluate on, in memory or streamed from disk."""

    name: str
    """A known name, such as "cifar10", or the path of a folder."""
    classes: tuple[str, ...]
    """The class names; a label is an index into them."""
    train: S
    test: S
    checksum: str
    """SHA-256, in hexadecimal, of the class names, labels and images; the names and sizes of files stand for
    the contents of streamed images."""
    source: str
    """The address, archive or folder that the images came from."""
    split_name: Literal["test", "validation"] = "test"
    """What `test` holds: the "test" images, or "validation" images to choose settings with."""
    validation: S | None = None
    """The images to evaluate on while training goes on, where there are such images beside `test`."""
    notes: tuple[str, ...] = ()
    """What a user should know about the images: which files are not used, and which had to be changed."""

    def to(self, device: torch.device | str) -> Dataset[S]:
        """Return the same data set on `device`."""
        validation = None if self.validation is None else self.validation.to(device)
        return replace(self, train=self.train.to(device), test=self.test.to(device), validation=validation)

    @property
    def watched(self) -> S:
        """The images to evaluate on while training goes on; the test images where there are no others."""
        return self.test if self.validation is None else self.validation

    @property
    def watched_name(self) -> Literal["test", "validation"]:
        """What `watched` holds."""
        return self.split_name if self.validation is None else "validation"

    def judged_counts(self) -> list[int]:
        """Return the number of test images of each class."""
        return torch.bincount(self.test.labels, minlength=len(self.classes)).tolist()

    def hold_out(self, images: int, seed: int = 0) -> Dataset[S]:
        """Return the data set with `images` of its training images in the place of its test images.

        The real test images are not in the result. Every class gives the same share of its images, as nearly
        as whole images allow.

        Args:
            images: how many training images are held out.
            seed: determines which images are held out; the choice depends on nothing else.

        Raises:
            UsageError: `images` is not between 0 and the number of training images.
        """
        count = len(self.train)
        if not 0 < images < count:
            raise UsageError(
                f"cannot hold out {images:,} of the {count:,} training images of {self.name}; give a --validation from "
                f"1 to {count - 1:,}"
            )
        chosen = spread_over_classes(self.train.labels.cpu(), seed)[:images]
        # Streamed images keep this order, in which the first n are spread over the classes.
        if isinstance(self.train, Split):
            chosen = chosen.sort().values
        left = torch.ones(count, dtype=torch.bool)
        left[chosen] = False
        device = self.train.labels.device
        train, validation = self.train[left.to(device)], self.train[chosen.to(device)]
        checksum = content_checksum(self.classes, train, validation)
        return replace(
            self,
            train=train,
            test=validation,
            checksum=checksum,
            split_name="validation",
            validation=None,
        )


def spread_over_classes(labels: Tensor, seed: int) -> Tensor:
    """Return all indices in a random order; for every n, the first n hold about the same share of each class.

    Args:
        labels: (N,) int64.
        seed: determines the order, which depends on nothing else.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    shares = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = order[labels[order] == label]
        shares[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return order[shares[order].argsort(stable=True)]


def content_checksum(classes: tuple[str, ...], *splits: Split | StreamedSplit) -> str:
    """Return the SHA-256, in hexadecimal, of the class names and of what identifies every split."""
    digest = hashlib.sha256("\0".join(classes).encode(errors="surrogateescape"))
    for split in splits:
        for part in split.identity():
            digest.update(part)
    return digest.hexdigest()


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of classes, in which a name that two classes share has its number added."""
    counts = Counter(names)
    return tuple(name if counts[name] == 1 else f"{name} ({number})" for number, name in enumerate(names))
