"""Recognising, in later passes, the calls that add at known junctions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resunit.propagation.detect.additions import Addend, addends_of
from resunit.propagation.detect.found_junction import FoundJunction
from resunit.propagation.forward.call_tracing import CallSite, CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import Loss, compute_loss


class JunctionCall(NamedTuple):
    """A call that adds at a known junction.

    Attributes:
        number: the number of the junction.
        shortcut: the addend h(x_l).
        branch: the addend F(x_l).
    """

    number: int
    shortcut: Addend
    branch: Addend


class JunctionCalls:
    """Recognises the calls that add at known junctions among all calls of a pass.

    Args:
        junctions: the known junctions.
    """

    def __init__(self, junctions: Sequence[FoundJunction]):
        self._known = {
            junction.call: (number, junction.shortcut_index) for number, junction in enumerate(junctions)
        }
        self._earlier = {
            earlier.call: (number, earlier.shortcut_index)
            for number, junction in enumerate(junctions)
            for earlier in junction.earlier
        }
        self._so_far: dict[int, tuple[Addend, list[Addend]]] = {}  # the shortcut and the first branches

    def recognise(self, site: CallSite, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JunctionCall | None:
        """Return the junction that a call adds at, or None if it is no such call.

        In x + F(x) + G(x) the last call adds at the junction; the calls before it are remembered until then.
        """
        place = self._known.get(site) or self._earlier.get(site)
        if place is None or (addends := addends_of(site.function, args, kwargs)) is None:
            return None
        number, shortcut_index = place
        shortcut, branch = addends[shortcut_index], addends[1 - shortcut_index]
        begun = self._so_far.pop(number, None)
        shortcut, branches = (shortcut, [branch]) if begun is None else (begun[0], [*begun[1], branch])
        if site not in self._known:
            self._so_far[number] = shortcut, branches
            return None
        return JunctionCall(number, shortcut, _sum_of(branches))


def _sum_of(branches: list[Addend]) -> Addend:
    """Return the sum of several branches as one addend."""
    if len(branches) == 1:
        return branches[0]
    inputs = tuple(tensor for branch in branches for tensor in branch.inputs)
    return Addend(inputs, lambda: sum((branch.value() for branch in branches[1:]), branches[0].value()))


# It is given the call and a function that adds; it returns the sum that the network goes on with.
AddAtJunction = Callable[[JunctionCall, Callable[[], Tensor]], Tensor]


def loss_of_changed_sums(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    junctions: Sequence[FoundJunction],
    add: AddAtJunction,
) -> Tensor:
    """Run a forward pass without gradients in which `add` makes the sums at junctions, and return E.

    The caller preserves the state of the model.
    """
    calls = JunctionCalls(junctions)

    def on_call(site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        call = calls.recognise(site, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        return add(call, lambda: function(*args, **kwargs))

    with torch.no_grad():
        with CallTracer(model, on_call, lambda *_: None):
            output = run_forward(model, Inputs.of(inputs))
        return compute_loss(output, targets, loss)
