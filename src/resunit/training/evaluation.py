"""Evaluation: a network's answers on a split, and the loss and the errors of these answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.data import EvaluationCrop, Normalisation, Split, StreamedSplit
from resunit.runs.confusion import MOST_CLASSES_OF_A_MATRIX
from resunit.runs.schema import ViewError, ViewName
from resunit.training.distributed import Distributed
from resunit.training.precision import autocast, dtype_of_weights

AnySplit = Split | StreamedSplit
PIXELS_AT_ONCE = 500 * 32 * 32  # On a CPU a larger batch takes more memory and is no faster.
PIXELS_AT_ONCE_ON_GPU = 64 * 224 * 224  # A GPU computes a small batch no faster than a large one.
CLASSES_WITH_TOP5 = 100  # With fewer classes the top-5 error says little, and no paper reports it.
CROPS: dict[ViewName, EvaluationCrop] = {"large_crop": "large crop", "ten_crops": "ten crops"}


class Errors(NamedTuple):
    """Errors in percent; the top-5 error is None where there are fewer than 100 classes."""

    error: float
    top5_error: float | None


@dataclass(frozen=True)
class Predictions:
    """A network's answers on N images of one split, one plain view of each image."""

    loss: float
    """The mean cross-entropy."""
    errors: Errors
    probabilities: Tensor
    """(N, classes) float32, on the CPU."""
    labels: Tensor
    """(N,) int64, on the CPU."""

    @property
    def predicted(self) -> Tensor:
        """The (N,) classes with the highest probabilities."""
        return self.probabilities.argmax(1)

    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Return counts of images; rows are the true class and columns the predicted one.

        Of more than `MOST_CLASSES_OF_A_MATRIX` classes there is no matrix, and no row is returned.
        """
        classes = self.probabilities.shape[1]
        if classes > MOST_CLASSES_OF_A_MATRIX:
            return ()
        cells = torch.bincount(self.labels * classes + self.predicted, minlength=classes**2)
        return tuple(map(tuple, cells.view(classes, classes).tolist()))

    def find_worst_mistakes(self, count: int) -> list[int]:
        """Return the indices of the `count` wrong answers with the highest probabilities, the highest first."""
        confidence = self.probabilities.amax(1)
        wrong = (self.predicted != self.labels).nonzero().flatten()
        return wrong[confidence[wrong].argsort(descending=True, stable=True)][:count].tolist()


@dataclass(frozen=True)
class ViewPredictions:
    """The errors on views of each image other than the plain one."""

    errors: tuple[ViewError, ...] = ()
    passes: Mapping[int, int] = field(default_factory=dict)
    """The number of views that were evaluated for each image, by the side of a view in pixels."""


@torch.inference_mode()
def compute_logits(
    network: nn.Module, images: Tensor, normalisation: Normalisation, precision: str
) -> Tensor:
    """Return the logits (N, classes) float32 of images (N, 3, H, W) uint8, in evaluation mode.

    Args:
        network: it is left in the mode that it was in.
        images: they are on the network's device.
        normalisation: the one that the network was trained with.
        precision: "bf16", "tf32", "fp32" or "fp64".
    """
    was_training = network.training
    if was_training:  # Each change of mode walks over all modules, which costs time for a single image.
        network.eval()
    parts, dtype = [], dtype_of_weights(precision)
    pixels = PIXELS_AT_ONCE_ON_GPU if images.is_cuda else PIXELS_AT_ONCE
    for batch in images.split(max(1, pixels // (images.shape[-1] * images.shape[-2]))):
        with autocast(images.device, precision):
            parts.append(network(normalisation(batch).to(dtype)).float())
    if was_training:
        network.train()
    return torch.cat(parts)


def evaluate(
    network: nn.Module,
    split: AnySplit,
    normalisation: Normalisation,
    precision: str,
    distributed: Distributed,
) -> Predictions:
    """Return the network's predictions on `split`; each rank computes a part of them and gets all."""
    logits = gather_logits(network, split, normalisation, precision, distributed)
    labels = split.labels.cpu()
    return Predictions(
        loss=functional.cross_entropy(logits, labels).item(),
        errors=compute_errors(logits, labels),
        probabilities=logits.softmax(1),
        labels=labels,
    )


def compute_errors(logits: Tensor, labels: Tensor) -> Errors:
    """Return two errors: the percentages of labels (N,) that are not the first answer, or not in the first five."""
    error = 100 * int((logits.argmax(1) != labels).sum()) / len(labels)
    if logits.shape[1] < CLASSES_WITH_TOP5:
        return Errors(error, None)
    found = (logits.topk(5).indices == labels[:, None]).any(1)
    return Errors(error, 100 * int((~found).sum()) / len(labels))


def evaluate_views(
    network: nn.Module,
    split: AnySplit,
    normalisation: Normalisation,
    precision: str,
    distributed: Distributed,
    tta: bool,
) -> ViewPredictions:
    """Return the errors on views other than the plain one; each rank evaluates its part of the images.

    Streamed images are evaluated on the large crop, a whole image at its scale, and with `tta` also on ten
    crops together. Images in memory are evaluated with `tta` only: on mirrored and shifted views together.
    The logits of views together are added up.
    """

    def logits_on(split: AnySplit) -> Tensor:
        return gather_logits(network, split, normalisation, precision, distributed)

    if isinstance(split, StreamedSplit):
        views: tuple[ViewName, ...] = ("large_crop", "ten_crops") if tta else ("large_crop",)
        logits: dict[ViewName, Tensor] = {view: logits_on(replace(split, crop=CROPS[view])) for view in views}
        passes = {split.large_side: 1} | ({split.side: 10} if tta else {})
    elif tta:
        logits, passes = _add_up_views(split, logits_on), {split.side: 6}
    else:
        return ViewPredictions()
    labels = split.labels.cpu()
    errors = tuple(ViewError(view, *compute_errors(logits[view], labels)) for view in logits)
    return ViewPredictions(errors, passes)


def _add_up_views(split: Split, logits_on: Callable[[Split], Tensor]) -> dict[ViewName, Tensor]:
    """Return the logits (N, classes) of "mirror" and of "tta".

    "mirror" adds up the image and its mirror image. "tta" adds up twice these two, and once the image moved
    by one pixel up and left, and down and right, each with its mirror image (Jordan 2024, airbench).
    """
    logits = [
        logits_on(replace(split, images=images))
        for moved in (split.images, shift(split.images, -1), shift(split.images, 1))
        for images in (moved, moved.flip(-1))
    ]
    mirror = logits[0] + logits[1]
    return {"mirror": mirror, "tta": 2 * mirror + sum(logits[2:])}


def shift(images: Tensor, pixels: int) -> Tensor:
    """Return images (N, C, H, W) moved down and right by `pixels`; reflection fills the edge that is free."""
    for dimension in (-2, -1):
        last = images.shape[dimension] - 1
        places = (torch.arange(last + 1, device=images.device) - pixels).abs()
        images = images.index_select(dimension, last - (last - places).abs())
    return images


def gather_logits(
    network: nn.Module,
    split: AnySplit,
    normalisation: Normalisation,
    precision: str,
    distributed: Distributed,
) -> Tensor:
    """Return the logits (N, classes) of all images of `split`, on the CPU of every rank.

    Each rank computes the logits of its part of the images. Where an image has several pictures
    (N, views, 3, H, W), their logits are averaged.
    """
    own = torch.arange(len(split))[distributed.rank :: distributed.world_size]
    computed = own if len(own) else torch.arange(1)  # A rank without images gets the number of classes so.
    parts = []
    for pictures in split.pictures(computed):
        views = pictures.to(distributed.device, non_blocking=pictures.is_pinned()).flatten(0, -4)
        logits = compute_logits(network, views, normalisation, precision)
        parts.append(logits.unflatten(0, (len(pictures), -1)).mean(1))
    logits = torch.cat(parts)
    gathered = torch.zeros(len(split), logits.shape[1], device=distributed.device)
    gathered[own.to(distributed.device)] = logits[: len(own)]
    distributed.all_reduce(gathered)
    return gathered.cpu()
