"""How alike the samples of a batch are at each depth: signals that all look the same carry no information."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.errors import PropagationError
from resunit.propagation.detect.additions import Term
from resunit.propagation.detect.sites import Site
from resunit.propagation.measures.losses import Loss
from resunit.propagation.measures.reductions import to_numbers
from resunit.propagation.measures.state import preserved
from resunit.propagation.measures.visits import visit


def sample_correlations(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, sites: tuple[Site, ...]
) -> list[float | None]:
    """The mean of <y_a, y_b> / (||y_a|| ||y_b||) over pairs of samples a != b, by junction.

    Samples are along the first dimension. None for a junction that the pass did not come by; raises
    PropagationError for a batch of one.
    """
    found: dict[int, Tensor] = {}

    def at(number: int, _shortcut: Term, _branch: Term, add: Callable[[], Tensor]) -> Tensor:
        y = add()
        samples = y.detach().flatten(1)
        samples = samples.to(torch.promote_types(samples.dtype, torch.float32))
        largest = samples.abs().amax(
            1, keepdim=True
        )  # divided by, so that squares neither vanish nor overflow
        samples = functional.normalize(samples / largest.where(largest > 0, 1), dim=1)
        count = len(samples)
        if count < 2:
            raise PropagationError("the correlation between samples needs a batch of two or more")
        # The sum over all pairs is ||sum of the directions||^2, of which the diagonal is `count`.
        found[number] = (samples.sum(0).square().sum() - count) / (count * (count - 1))
        return y

    with preserved(model):
        visit(model, inputs, targets, loss, sites, at)
    values = dict(zip(found, to_numbers(list(found.values())), strict=True))
    return [values.get(number) for number in range(len(sites))]
