"""What a network gets right: losses, errors and probabilities over a split."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.data import Normalisation, Split
from resunit.training.devices import Worker

PIXELS = 500 * 32 * 32  # a batch: memory, not speed, is what grows with it


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy, error in percent, and the probabilities (N, classes) behind them."""

    loss: float
    error: float
    probabilities: Tensor
    labels: Tensor

    @property
    def predicted(self) -> Tensor:
        return self.probabilities.argmax(1)

    def confusion(self) -> list[list[int]]:
        """Counts, rows the true class and columns the predicted one."""
        classes = self.probabilities.shape[1]
        cells = torch.bincount(self.labels * classes + self.predicted, minlength=classes**2)
        return cells.view(classes, classes).tolist()

    def worst_mistakes(self, count: int) -> list[int]:
        """Indices of the wrong answers given with the highest probability, worst first."""
        confidence = self.probabilities.amax(1)
        wrong = (self.predicted != self.labels).nonzero().flatten()
        return wrong[confidence[wrong].argsort(descending=True, stable=True)][:count].tolist()


@torch.inference_mode()
def logits_of(network: nn.Module, images: Tensor, normalisation: Normalisation, precision: str) -> Tensor:
    """(N, 3, H, W) uint8 images -> (N, classes) float logits in evaluation mode, batch by batch."""
    was_training = network.training
    if was_training:  # each change walks over all modules
        network.eval()
    stored = next(network.parameters()).dtype
    casts = precision == "bf16" and stored == torch.float32  # a folded network is bf16 itself
    parts = []
    for batch in images.split(max(1, PIXELS // (images.shape[-1] * images.shape[-2]))):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=casts):
            parts.append(network(normalisation(batch).to(stored)).float())
    if was_training:
        network.train()
    return torch.cat(parts)


def evaluate(
    network: nn.Module, split: Split, normalisation: Normalisation, precision: str, worker: Worker
) -> Evaluation:
    """Evaluate on `split`, a share on each worker; every worker gets the whole answer."""
    everyones = everyones_logits(network, split.images, normalisation, precision, worker)
    labels = split.labels.cpu()
    return Evaluation(
        loss=functional.cross_entropy(everyones, labels).item(),
        error=100 * int((everyones.argmax(1) != labels).sum()) / len(labels),
        probabilities=everyones.softmax(1),
        labels=labels,
    )


@dataclass(frozen=True)
class AugmentedViews:
    """Errors in percent when the logits of several views of each image are averaged.

    `mirrored`: the image and its mirror image. `shifted`: these count half, and the image moved by one pixel
    up and left, and down and right, each with its mirror image, a quarter each (Jordan 2024, airbench).
    """

    mirrored: float
    shifted: float


PASSES = 6  # views of an image behind `AugmentedViews`


def evaluate_views(
    network: nn.Module, split: Split, normalisation: Normalisation, precision: str, worker: Worker
) -> AugmentedViews:
    """Evaluate on augmented views of `split`, divided among the workers as in `evaluate`."""

    def error(logits: Tensor) -> float:
        return 100 * int((logits.argmax(1) != split.labels.cpu()).sum()) / len(split.labels)

    up_left, down_right = shifted(split.images, -1), shifted(split.images, 1)
    logits = [
        everyones_logits(network, images, normalisation, precision, worker)
        for shift in (split.images, up_left, down_right)
        for images in (shift, shift.flip(-1))
    ]
    mirrored = logits[0] + logits[1]
    return AugmentedViews(error(mirrored), error(2 * mirrored + sum(logits[2:])))


def shifted(images: Tensor, pixels: int) -> Tensor:
    """(N, C, H, W) images moved down and right by `pixels`, the edge that comes free filled by reflection."""
    for dimension in (-2, -1):
        last = images.shape[dimension] - 1
        places = (torch.arange(last + 1, device=images.device) - pixels).abs()
        images = images.index_select(dimension, last - (last - places).abs())
    return images


def everyones_logits(
    network: nn.Module, images: Tensor, normalisation: Normalisation, precision: str, worker: Worker
) -> Tensor:
    """`logits_of`, on the CPU, a share of the images on each worker; every worker gets all of them."""
    own = torch.arange(len(images), device=worker.device)[worker.rank :: worker.count]
    logits = logits_of(network, images[own], normalisation, precision)
    everyones = torch.zeros(len(images), logits.shape[1], device=worker.device)
    everyones[own] = logits
    worker.sum(everyones)
    return everyones.cpu()
