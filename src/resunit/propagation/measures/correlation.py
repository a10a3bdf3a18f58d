"""The correlation between the samples of a batch: streams that are all alike carry no information."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.forward.loss import Loss
from resunit.propagation.forward.state import preserved_state
from resunit.propagation.measures.junction_calls import JunctionCall, loss_of_changed_sums
from resunit.propagation.measures.reductions import to_numbers


def sample_correlations(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, detection: Detection
) -> list[float | None]:
    """Return, for each junction, the mean of <y_a, y_b> / (||y_a|| ||y_b||) over pairs of samples a != b.

    The samples lie along the first dimension. The value is None for a junction that the pass does not reach.

    Raises:
        PropagationError: the batch holds one sample only.
    """
    correlations: dict[int, Tensor] = {}

    def add(call: JunctionCall, original: Callable[[], Tensor]) -> Tensor:
        y = original()
        correlations[call.number] = _mean_cosine(y.detach().flatten(1))
        return y

    with preserved_state(model):
        loss_of_changed_sums(model, inputs, targets, loss, detection, add)
    values = dict(zip(correlations, to_numbers(list(correlations.values())), strict=True))
    return [values.get(number) for number in range(len(detection.junctions))]


def _mean_cosine(samples: Tensor) -> Tensor:
    """Return the mean cosine between two rows of (samples, features)."""
    count = len(samples)
    if count < 2:
        raise PropagationError(
            "the correlation between samples needs a batch of two or more; give more inputs"
        )
    samples = samples.to(torch.promote_types(samples.dtype, torch.float32))
    # Each row is divided by its largest value, so that its squares neither vanish nor overflow.
    largest = samples.abs().amax(1, keepdim=True)
    directions = functional.normalize(samples / largest.where(largest > 0, 1), dim=1)
    # The sum over all pairs is ||sum of the directions||^2, of which the pairs a = b make up `count`.
    return (directions.sum(0).square().sum() - count) / (count * (count - 1))
