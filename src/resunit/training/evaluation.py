"""What a network gets right: losses, errors and probabilities over a split."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.data import EvaluationCrop, Normalisation, Split, StreamedSplit
from resunit.training.distributed import Distributed

AnySplit = Split | StreamedSplit
PIXELS = 500 * 32 * 32  # a batch: memory, not speed, is what grows with it
MANY_CLASSES = 100  # of fewer, the label among five answers says little, and no paper reports it


@dataclass(frozen=True)
class Evaluation:
    """Mean cross-entropy, errors in percent, and the probabilities (N, classes) behind them.

    `errors` are by name: "error" and, of at least 100 classes, "top5_error".
    """

    loss: float
    errors: dict[str, float]
    probabilities: Tensor
    labels: Tensor

    @property
    def error(self) -> float:
        return self.errors["error"]

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
    parts = []
    for batch in images.split(max(1, PIXELS // (images.shape[-1] * images.shape[-2]))):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            parts.append(network(normalisation(batch)).float())
    if was_training:
        network.train()
    return torch.cat(parts)


def evaluate(
    network: nn.Module, split: AnySplit, normalisation: Normalisation, precision: str, worker: Distributed
) -> Evaluation:
    """Evaluate on `split`, a share on each worker; every worker gets the whole answer."""
    everyones = everyones_logits(network, split, normalisation, precision, worker)
    labels = split.labels.cpu()
    return Evaluation(
        loss=functional.cross_entropy(everyones, labels).item(),
        errors=errors_of(everyones, labels),
        probabilities=everyones.softmax(1),
        labels=labels,
    )


def errors_of(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Percentages of labels that are not the first answer and, of many classes, not among the first five."""
    errors = {"error": 100 * int((logits.argmax(1) != labels).sum()) / len(labels)}
    if logits.shape[1] >= MANY_CLASSES:
        found = (logits.topk(5).indices == labels[:, None]).any(1)
        errors["top5_error"] = 100 * int((~found).sum()) / len(labels)
    return errors


@dataclass(frozen=True)
class OtherViews:
    """Errors in percent by name, of other views of each image than the plain one or of several together.

    `passes` tells how many views there were, by their side in pixels.
    """

    errors: dict[str, float]
    passes: dict[int, int]


def evaluate_views(
    network: nn.Module,
    split: AnySplit,
    normalisation: Normalisation,
    precision: str,
    worker: Distributed,
    augmented: bool,
) -> OtherViews:
    """Evaluate on other views, divided among the workers as in `evaluate`.

    Streamed images: on the large crop, whole at its scale; if `augmented` also on ten crops together.
    Others: if `augmented`, on mirrored and shifted views. Logits of views together are added up.
    """

    def logits_on(split: AnySplit) -> Tensor:
        return everyones_logits(network, split, normalisation, precision, worker)

    if isinstance(split, StreamedSplit):
        crops: list[EvaluationCrop] = ["large crop", "ten crops"] if augmented else ["large crop"]
        found = {crop.replace(" ", "_"): logits_on(replace(split, crop=crop)) for crop in crops}
        passes = {split.large_side: 1} | ({split.side: 10} if augmented else {})
    elif augmented:
        found, passes = shifted_views(split, logits_on), {split.side: 6}
    else:
        return OtherViews({}, {})
    errors = {
        f"{name}_{views}": error
        for views, logits in found.items()
        for name, error in errors_of(logits, split.labels.cpu()).items()
    }
    return OtherViews(errors, passes)


def shifted_views(split: Split, logits_on: Callable[[Split], Tensor]) -> dict[str, Tensor]:
    """ "mirrored_views": the image and its mirror image. "tta": these count half, and the image
    moved by one pixel up and left, and down and right, each with its mirror image, a quarter each (Jordan
    2024, airbench).
    """
    logits = [
        logits_on(replace(split, images=images))
        for shift in (split.images, shifted(split.images, -1), shifted(split.images, 1))
        for images in (shift, shift.flip(-1))
    ]
    mirrored = logits[0] + logits[1]
    return {"mirrored_views": mirrored, "tta": 2 * mirrored + sum(logits[2:])}


def shifted(images: Tensor, pixels: int) -> Tensor:
    """(N, C, H, W) images moved down and right by `pixels`, the edge that comes free filled by reflection."""
    for dimension in (-2, -1):
        last = images.shape[dimension] - 1
        places = (torch.arange(last + 1, device=images.device) - pixels).abs()
        images = images.index_select(dimension, last - (last - places).abs())
    return images


def everyones_logits(
    network: nn.Module, split: AnySplit, normalisation: Normalisation, precision: str, worker: Distributed
) -> Tensor:
    """`logits_of`, on the CPU, a share of the images on each worker; every worker gets all of them.

    Where an image is several pictures (N, views, 3, H, W), their logits are averaged.
    """
    own = torch.arange(len(split))[worker.rank :: worker.count]
    parts = []
    for pictures in split.pictures(own):
        views = pictures.to(worker.device).flatten(0, -4)
        logits = logits_of(network, views, normalisation, precision)
        parts.append(logits.unflatten(0, (len(pictures), -1)).mean(1))
    logits = torch.cat(parts)
    everyones = torch.zeros(len(split), logits.shape[1], device=worker.device)
    everyones[own.to(worker.device)] = logits
    worker.sum(everyones)
    return everyones.cpu()
