"""The training images in the order and with the augmentation that (seed, epoch, index) determine."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from resunit.data import (
    Augmentation,
    EpochPlan,
    Normalisation,
    Split,
    StreamedSplit,
    epoch_plan,
    erase,
    images_for_training,
)
from resunit.training.distributed import Distributed
from resunit.training.mixing import Mixing
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
    mixing: Mixing | None = None

    @property
    def per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return len(self.split) // self.batch_size

    def between(self, step: int, steps: int, size_at: Callable[[int], int]) -> Iterator[list[GhostBatch]]:
        """Yield the ghost batches of each of the steps `step`, ..., `steps` - 1.

        Args:
            step: the first step, counted from 0.
            steps: the step to stop before.
            size_at: maps a step to the side in pixels that its images are resized to.
        """
        images = self._images((plan, part) for plan, parts in self._indices(step, steps) for part in parts)
        for plan, parts in self._indices(step, steps):
            size = size_at(step)
            yield [self._ghost_batch(next(images), plan.images_at(part), size, step) for part in parts]
            step += 1

    def _indices(self, step: int, steps: int) -> Iterator[tuple[EpochPlan, tuple[Tensor, ...]]]:
        """Yield the plan of each step's epoch, and the indices of each of this rank's ghost batches."""
        while step < steps:
            epoch, first = divmod(step, self.per_epoch)
            plan = epoch_plan(self.seed, epoch, len(self.split), self.augmentation, self.chances)
            for batch in range(first, min(self.per_epoch, first + steps - step)):
                order = plan.order[batch * self.batch_size : (batch + 1) * self.batch_size]
                part = self.distributed.part(order)
                yield plan, part.split(self.ghost_batch_size or len(part))
                step += 1

    def _images(self, ghost_batches: Iterable[tuple[EpochPlan, Tensor]]) -> Iterator[Tensor]:
        """Yield the images of each ghost batch, augmented and normalised."""
        device = self.distributed.device
        if isinstance(self.split, StreamedSplit):  # Other processes decode its images ahead of time.
            asked, again = itertools.tee(ghost_batches)
            for pixels, (plan, part) in zip(self.split.augment(asked, self.augmentation), again, strict=True):
                images = self.normalisation(pixels.to(device))
                yield erase(images, plan.seeds[part], self.augmentation.random_erasing)
        else:
            for plan, part in ghost_batches:
                images = self.split.images[plan.images_at(part).to(device)]
                yield images_for_training(images, part, plan, self.augmentation, self.normalisation)

    def _ghost_batch(self, images: Tensor, indices: Tensor, size: int, step: int) -> GhostBatch:
        if size != images.shape[-1]:
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        labels = self.split.labels[indices.to(self.distributed.device)]
        if self.mixing is None:
            return GhostBatch(images.to(self.dtype), labels, labels)
        images, shares = self.mixing(images, labels, step)
        return GhostBatch(images.to(self.dtype), shares.argmax(1), shares.to(self.dtype))


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
