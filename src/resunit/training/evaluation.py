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
    network.eval()
    parts = []
    for batch in images.split(max(1, PIXELS // (images.shape[-1] * images.shape[-2]))):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            parts.append(network(normalisation(batch)).float())
    network.train(was_training)
    return torch.cat(parts)


def evaluate(
    network: nn.Module, split: Split, normalisation: Normalisation, precision: str, worker: Worker
) -> Evaluation:
    """Evaluate on `split`, a share on each worker; every worker gets the whole answer."""
    own = torch.arange(len(split.labels), device=worker.device)[worker.rank :: worker.count]
    logits = logits_of(network, split.images[own], normalisation, precision)
    everyones = torch.zeros(len(split.labels), logits.shape[1], device=worker.device)
    everyones[own] = logits
    worker.sum(everyones)
    everyones, labels = everyones.cpu(), split.labels.cpu()
    return Evaluation(
        loss=functional.cross_entropy(everyones, labels).item(),
        error=100 * int((everyones.argmax(1) != labels).sum()) / len(labels),
        probabilities=everyones.softmax(1),
        labels=labels,
    )
