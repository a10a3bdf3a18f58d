"""What each branch is worth: the loss without it."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from resunit.propagation.detect.additions import Term
from resunit.propagation.detect.sites import Site
from resunit.propagation.measures.losses import Loss
from resunit.propagation.measures.reductions import to_numbers
from resunit.propagation.measures.state import preserved
from resunit.propagation.measures.visits import Visit, visit


def loss_changes(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, sites: tuple[Site, ...]
) -> list[float]:
    """E with y_l = h(x_l) in place of h(x_l) + F(x_l), minus E, for each junction on its own.

    One forward pass a junction, all with the same random numbers (Veit et al. 2016, for one batch).
    """

    def loss_without(lesion: int | None) -> Tensor:
        with preserved(model):
            return visit(model, inputs, targets, loss, sites, _without(lesion))

    losses = to_numbers([loss_without(number) for number in (None, *range(len(sites)))])
    return [value - losses[0] for value in losses[1:]]


def _without(lesion: int | None) -> Visit:
    def at(number: int, shortcut: Term, _branch: Term, add: Callable[[], Tensor]) -> Tensor:
        if number != lesion:
            return add()
        h = shortcut.value().clone()  # before the addition, which may be in place
        return add().copy_(h)  # and so is its result, wherever it is kept

    return at
