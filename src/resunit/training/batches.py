"""The training images in the order and with the augmentation that (seed, epoch, index) determine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from resunit.data import Augmentation, EpochPlan, Normalisation, Split, StreamedSplit, augment, epoch_plan
from resunit.training.distributed import Distributed


@dataclass(frozen=True)
class Group:
    """A micro-batch: (n, C, H, W) images, normalised and augmented, and (n,) labels."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Batches:
    """One worker's share of every step's batch. An epoch is as many whole batches as the split has."""

    split: Split | StreamedSplit
    normalisation: Normalisation
    augmentation: Augmentation
    seed: int
    batch_size: int
    ghost_batch_size: int | None
    worker: Distributed

    @property
    def per_epoch(self) -> int:
        return len(self.split) // self.batch_size

    def between(self, step: int, steps: int, size_at: Callable[[int], int]) -> Iterator[list[Group]]:
        """The groups of the steps `step`, ..., `steps` - 1, their images scaled to `size_at(step)`."""
        images = self.images((plan, part) for plan, parts in self.parts(step, steps) for part in parts)
        for _, parts in self.parts(step, steps):
            yield [self.group(next(images), part, size_at(step)) for part in parts]
            step += 1

    def parts(self, step: int, steps: int) -> Iterator[tuple[EpochPlan, tuple[Tensor, ...]]]:
        """Each step's images by their indices: this worker's share, in batch-norm groups."""
        while step < steps:
            epoch, first = divmod(step, self.per_epoch)
            plan = epoch_plan(self.seed, epoch, len(self.split), self.augmentation)
            for batch in range(first, min(self.per_epoch, first + steps - step)):
                order = plan.order[batch * self.batch_size : (batch + 1) * self.batch_size]
                share = self.worker.share(order)
                yield plan, share.split(self.ghost_batch_size or len(share))
                step += 1

    def images(self, groups: Iterable[tuple[EpochPlan, Tensor]]) -> Iterator[Tensor]:
        """Each group's images, augmented and normalised."""
        if isinstance(self.split, StreamedSplit):  # decoded ahead
            for pixels in self.split.augmented(groups, self.augmentation):
                yield self.normalisation(pixels.to(self.worker.device))
        else:
            for plan, part in groups:
                images = self.normalisation(self.split.images[part.to(self.worker.device)])
                yield augment(images, plan.offsets[part], plan.flips[part], self.augmentation)

    def group(self, images: Tensor, indices: Tensor, size: int) -> Group:
        if size != images.shape[-1]:
            images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
        return Group(images, self.split.labels[indices.to(self.worker.device)])
