"""The loss that training lowers, and weights that make up for classes of different sizes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class TrainingLoss:
    """The cross-entropy of logits, with label smoothing and a weight for each class."""

    label_smoothing: float
    class_weights: Tensor | None
    """(classes,), in the dtype of the network's weights; None weighs all classes alike."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a ghost batch.

        With class weights it is the sum of the weighted losses divided by the number of images, so that the losses of
        ghost batches add up to that of the whole batch; torch's mean would divide by the sum of the weights.

        Args:
            logits: (n, classes).
            targets: labels (n,) int64, or the shares (n, classes) of mixed images.
        """
        smoothing = self.label_smoothing
        if self.class_weights is None:
            return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        total = functional.cross_entropy(
            logits, targets, self.class_weights, reduction="sum", label_smoothing=smoothing
        )
        return total / len(targets)


def balanced_weights(labels: Tensor, classes: int) -> Tensor:
    """Return N / (C n_c) for each class, where n_c of the N images are of class c and C classes have images.

    The mean weight of an image is 1. A class without images has the weight 0.

    Args:
        labels: (N,) int64.
        classes: the number of classes.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    weights = len(labels) / ((counts > 0).sum() * counts)
    return torch.where(counts > 0, weights, 0.0).to(torch.float32)
