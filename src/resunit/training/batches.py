"""The training images in the order and with the augmentation that (seed, epoch, index) determine."""

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from resunit.data import (
    Augmentation,
    EpochPlan,
    Normalisation,
    Split,
    StreamedSplit,
    augment,
    epoch_plan,
    erase,
    images_for_training,
)
from resunit.training.distributed import Distributed
from resunit.training.mixing import ImageMixing
from resunit.training.recipe import Recipe


@dataclass(frozen=True)
class GhostBatch:
    """A micro-batch, which batch norm normalises by its own statistics.

    Where a ghost batch is all images of a step, each rank has a part of it.
    """

    images: Tensor
    """(n, C, H, W), normalised and augmented, in the dtype of the network's weights."""
    labels: Tensor
    """(n,) int64; of a mixed image, the class with the greatest share."""
    targets: Tensor
    """The labels, or the share of each class in mixed images (n, classes), in the dtype of the images."""


class Feed(Protocol):
    """The images of one step after another: what the host does for a step, and what the device computes."""

    def prepare(self, step: int) -> None:
        """Make the images of step number `step`, counted from 0, ready; nothing waits for the device."""
        ...

    def ghost_batches(self) -> list[GhostBatch]:
        """Return this rank's ghost batches of the step that was prepared last."""
        ...

    def close(self) -> None:
        """End what makes images ready ahead of time."""
        ...


@dataclass(frozen=True)
class Batches:
    """One rank's part of every step's batch; an epoch has as many steps as the split has whole batches."""

    split: Split | StreamedSplit
    normalisation: Normalisation
    augmentation: Augmentation
    seed: int
    batch_size: int
    """The number of images in a step, over all ranks."""
    ghost_batch_size: int | None
    """The number of images in a ghost batch; None means all images of a step."""
    distributed: Distributed
    dtype: torch.dtype = torch.float32
    """The dtype of the images, which is the network's."""
    chances: Tensor | None = None
    """Numbers (N,) in proportion to which images are drawn; None shows each image once an epoch."""
    mixing: ImageMixing | None = None

    @property
    def per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return len(self.split) // self.batch_size

    @property
    def work_of_host(self) -> str | None:
        """What the host has to do for the images of each step, as a sentence begins; None if it has nothing to do."""
        if isinstance(self.split, StreamedSplit):
            return "images are decoded from files"
        if self.augmentation.rand_augment is not None or self.augmentation.random_erasing:
            return "images are transformed one by one"
        return None if self.mixing is None else "images are mixed by draws of the host"

    def feed(self, step: int, steps: int, size_at: Callable[[int], int]) -> Feed:
        """Return what makes the images of the steps `step`, ..., `steps` - 1, in this order.

        Args:
            step: the first step, counted from 0.
            steps: the step to stop before.
            size_at: maps a step to the side in pixels that its images are resized to.
        """
        if self.work_of_host is None:
            return TableFeed(self, size_at)
        return HostFeed(self.made_by_host(step, steps, size_at))

    def between(self, step: int, steps: int, size_at: Callable[[int], int]) -> Iterator[list[GhostBatch]]:
        """Yield the ghost batches of each of the steps `step`, ..., `steps` - 1; the arguments are those of `feed`."""
        with closing(self.feed(step, steps, size_at)) as feed:
            for number in range(step, steps):
                feed.prepare(number)
                yield feed.ghost_batches()

    def made_by_host(
        self, step: int, steps: int, size_at: Callable[[int], int]
    ) -> Generator[list[GhostBatch], None, None]:
        """Yield the ghost batches of each step, whose images the host decodes, transforms or mixes."""
        images = self._images((plan, part) for plan, parts in self._indices(step, steps) for part in parts)
        with closing(images):
            for plan, parts in self._indices(step, steps):
                ghost_batches = []
                for part in parts:
                    labels = self.split.labels[plan.images_at(part).to(self.distributed.device)]
                    ghost_batches.append(self.finish(next(images), labels, size_at(step), step))
                yield ghost_batches
                step += 1

    def _indices(self, step: int, steps: int) -> Iterator[tuple[EpochPlan, tuple[Tensor, ...]]]:
        """Yield the plan of each step's epoch, and the indices of each of this rank's ghost batches."""
        while step < steps:
            epoch, first = divmod(step, self.per_epoch)
            plan = self.plan_of(epoch)
            for batch in range(first, min(self.per_epoch, first + steps - step)):
                order = plan.order[batch * self.batch_size : (batch + 1) * self.batch_size]
                part = self.distributed.part(order)
                yield plan, part.split(self.ghost_batch_size or len(part))
                step += 1

    def plan_of(self, epoch: int) -> EpochPlan:
        """Return the random choices of an epoch, counted from 0."""
        return epoch_plan(self.seed, epoch, len(self.split), self.augmentation, self.chances)

    def _images(self, ghost_batches: Iterable[tuple[EpochPlan, Tensor]]) -> Generator[Tensor, None, None]:
        """Yield the images of each ghost batch, augmented and normalised."""
        device = self.distributed.device
        if isinstance(self.split, StreamedSplit):  # Other processes decode its images ahead of time.
            asked, again = itertools.tee(ghost_batches)
            for pixels, (plan, part) in zip(self.split.augment(asked, self.augmentation), again, strict=True):
                images = self.normalisation(pixels.to(device, non_blocking=pixels.is_pinned()))
                yield erase(images, plan.seeds[part], self.augmentation.random_erasing)
        else:
            for plan, part in ghost_batches:
                images = self.split.images[plan.images_at(part).to(device)]
                yield images_for_training(images, part, plan, self.augmentation, self.normalisation)

    def finish(self, images: Tensor, labels: Tensor, size: int, step: int) -> GhostBatch:
        """Return the ghost batch of augmented images: resized to `size` pixels and mixed, as far as asked for."""
        if size != images.shape[-1]:
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        if self.mixing is None:
            return GhostBatch(images.to(self.dtype), labels, labels)
        images, shares = self.mixing(images, labels, step)
        return GhostBatch(images.to(self.dtype), shares.argmax(1), shares.to(self.dtype))


class TableFeed:
    """Makes the images of each step on the device that holds them, from a table of the epoch on this device.

    The table is copied to the device once an epoch. From step to step only the place of the step in it changes, and
    all buffers stay where they are, so that the work of a step can be captured and repeated.
    """

    def __init__(self, batches: Batches, size_at: Callable[[int], int]):
        """Make the buffers; the arguments are those of `Batches.feed`."""
        device, images = batches.distributed.device, batches.per_epoch * batches.batch_size
        self.batches, self.size_at = batches, size_at
        self.step, self.epoch, self.size = 0, -1, batches.split.side
        self.images = torch.zeros(images, dtype=torch.int64, device=device)
        """The image (images,) that each place of the epoch shows."""
        self.offsets = torch.zeros(images, 2, dtype=torch.int64, device=device)
        self.flips = torch.zeros(images, dtype=torch.bool, device=device)
        self.first = torch.zeros((), dtype=torch.int64, device=device)
        """The place of the step's first image in the epoch."""
        self.places = batches.distributed.part(torch.arange(batches.batch_size)).to(device)
        """The places of this rank's images after the first one."""

    def prepare(self, step: int) -> None:
        """Make the images of step number `step` ready; a new epoch's table is copied to the device."""
        epoch, number = divmod(step, self.batches.per_epoch)
        if epoch != self.epoch:
            plan = self.batches.plan_of(epoch)
            order = plan.order[: len(self.images)]
            self.images.copy_(plan.images_at(order))
            self.offsets.copy_(plan.offsets[order])
            self.flips.copy_(plan.flips[order])
            self.epoch = epoch
        self.step, self.size = step, self.size_at(step)
        self.first.fill_(number * self.batches.batch_size)

    def ghost_batches(self) -> list[GhostBatch]:
        """Return this rank's ghost batches of the step that was prepared last, computed on the device alone."""
        batches = self.batches
        assert isinstance(batches.split, Split)
        ghost_batches = []
        for part in (self.first + self.places).split(batches.ghost_batch_size or len(self.places)):
            indices = self.images[part]
            images = batches.normalisation(batches.split.images[indices])
            images = augment(images, self.offsets[part], self.flips[part], batches.augmentation)
            ghost_batches.append(batches.finish(images, batches.split.labels[indices], self.size, self.step))
        return ghost_batches

    def close(self) -> None:
        """Do nothing: no image is made ahead of time."""


class HostFeed:
    """Takes the images of each step from the host, which makes them in the order of the steps."""

    def __init__(self, steps: Generator[list[GhostBatch], None, None]):
        """Take the ghost batches of one step after another from `steps`."""
        self.steps = steps
        self.step: int | None = None
        self.ready: list[GhostBatch] = []

    def prepare(self, step: int) -> None:
        """Take the ghost batches of step number `step`, which comes after the last one, or is the last one again."""
        if step != self.step:
            self.step, self.ready = step, next(self.steps)

    def ghost_batches(self) -> list[GhostBatch]:
        """Return this rank's ghost batches of the step that was prepared last."""
        return self.ready

    def close(self) -> None:
        """End the processes that decode images."""
        self.steps.close()


def describe_augmentation(recipe: Recipe) -> Augmentation:
    """Return the augmentation of `recipe`."""
    return Augmentation(
        recipe.padding,
        recipe.padding_mode,
        recipe.flip,
        recipe.crop,
        recipe.colour,
        recipe.rand_augment,
        recipe.random_erasing,
    )
