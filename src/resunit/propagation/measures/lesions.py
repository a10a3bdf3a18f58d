"""The change of the loss when one branch is left out."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.forward.loss import Loss
from resunit.propagation.forward.state import preserved_state
from resunit.propagation.measures.junction_calls import AddAtJunction, JunctionCall, loss_of_changed_sums
from resunit.propagation.measures.reductions import to_numbers


def loss_changes(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, detection: Detection
) -> list[float]:
    """Return, for each junction, E with y_l = h(x_l) in place of h(x_l) + F(x_l), minus E.

    This is one forward pass for each junction, all with the same random numbers (the lesion study of
    Veit et al. 2016, on one batch).
    """

    def loss_without(number: int | None) -> Tensor:
        with preserved_state(model):
            return loss_of_changed_sums(model, inputs, targets, loss, detection, _leave_out(number))

    losses = to_numbers([loss_without(number) for number in (None, *range(len(detection.junctions)))])
    return [value - losses[0] for value in losses[1:]]


def _leave_out(number: int | None) -> AddAtJunction:
    def add(call: JunctionCall, original: Callable[[], Tensor]) -> Tensor:
        if call.number != number:
            return original()
        h = call.h().clone()  # It is computed first, because the addition may be in place.
        return original().copy_(h)  # The tensor of the sum is kept, because others may already hold it.

    return add
