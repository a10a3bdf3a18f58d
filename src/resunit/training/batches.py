"""The training images in the order and with the augmentation that (seed, epoch, index) determine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from resunit.data import Augmentation, EpochPlan, Normalisation, Split, augment, epoch_plan
from resunit.training.devices import Worker


@dataclass(frozen=True)
class Group:
    """A micro-batch: (n, C, H, W) images, normalised and augmented, and (n,) labels."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Batches:
    """One worker's share of every step's batch. An epoch is as many whole batches as the split has."""

    split: Split
    normalisation: Normalisation
    augmentation: Augmentation
    seed: int
    batch_size: int
    group_size: int | None
    worker: Worker

    @property
    def per_epoch(self) -> int:
        return len(self.split.labels) // self.batch_size

    def between(self, step: int, steps: int, size_at: Callable[[int], int]) -> Iterator[list[Group]]:
        """The groups of the steps `step`, ..., `steps` - 1, their images scaled to `size_at(step)`."""
        while step < steps:
            epoch, first = divmod(step, self.per_epoch)
            plan = epoch_plan(self.seed, epoch, len(self.split.labels), self.augmentation)
            for batch in range(first, min(self.per_epoch, first + steps - step)):
                order = plan.order[batch * self.batch_size : (batch + 1) * self.batch_size]
                share = self.worker.share(order)
                parts = share.split(self.group_size or len(share))
                yield [self.group(plan, part, size_at(step)) for part in parts]
                step += 1

    def group(self, plan: EpochPlan, indices: Tensor, size: int) -> Group:
        device = self.split.images.device
        images = self.normalisation(self.split.images[indices.to(device)])
        images = augment(images, plan.offsets[indices], plan.flips[indices], self.augmentation)
        if size != images.shape[-1]:
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        return Group(images, self.split.labels[indices.to(device)])
