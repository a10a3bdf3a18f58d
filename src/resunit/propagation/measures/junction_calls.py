"""Recognising, in later passes, the calls that add at known junctions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resunit.propagation.detect.additions import addends_of
from resunit.propagation.detect.found_junction import AddingCall, Detection, FoundJunction
from resunit.propagation.forward.call_tracing import CallSite, CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import Loss, compute_loss


class JunctionCall(NamedTuple):
    """The call that makes the sum of a known junction.

    Attributes:
        number: the number of the junction.
        shortcut: the parts of h(x_l).
        branch: the parts of F(x_l).
    """

    number: int
    shortcut: tuple[Tensor, ...]
    branch: tuple[Tensor, ...]

    def h(self) -> Tensor:
        """Return the shortcut, which may have a smaller shape than the sum; a part alone is returned as it is."""
        return sum(self.shortcut[1:], self.shortcut[0])

    def f(self) -> Tensor:
        """Return the branch in the same way."""
        return sum(self.branch[1:], self.branch[0])


class _Place(NamedTuple):
    """A call that adds parts of a junction.

    Attributes:
        number: the number of the junction.
        adding: the call.
        is_last: whether it makes the sum y_l.
        calls: how many calls add parts of the junction.
    """

    number: int
    adding: AddingCall
    is_last: bool
    calls: int


@dataclass
class _Parts:
    """The parts of a junction that calls have added so far."""

    shortcut: list[Tensor] = field(default_factory=list)
    branch: list[Tensor] = field(default_factory=list)
    calls: int = 0


class JunctionCalls:
    """Recognises the calls that add at known junctions among all calls of a pass.

    Args:
        junctions: the known junctions.
    """

    def __init__(self, junctions: Sequence[FoundJunction]):
        self._places: dict[CallSite, _Place] = {}
        for number, junction in enumerate(junctions):
            for adding in junction.calls:
                is_last = adding is junction.calls[-1]
                self._places[adding.call] = _Place(number, adding, is_last, len(junction.calls))
        self._so_far: dict[int, _Parts] = {}

    def recognise(self, site: CallSite, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JunctionCall | None:
        """Return the junction whose sum a call makes, or None if it is no such call.

        In x + F(x) + G(x) the last call makes the sum; the parts that calls before it add are remembered until then.
        """
        place = self._places.get(site)
        if place is None or (addends := addends_of(site.function, args, kwargs)) is None:
            return None
        number, adding = place.number, place.adding
        parts = self._so_far.setdefault(number, _Parts())
        is_beginning = not parts.calls
        parts.calls += 1
        for index in (0, 1):
            # Where a pass leaves the first branch out, what would be the sum so far is the shortcut.
            role = "shortcut" if is_beginning and adding.roles[index] == "sum" else adding.roles[index]
            is_lost = not place.is_last and index == adding.overwritten
            if role != "sum":
                values = parts.shortcut if role == "shortcut" else parts.branch
                values.append(_kept(addends[index]) if is_lost else addends[index])
        if not place.is_last:
            return None
        del self._so_far[number]
        if adding.roles == ("sum", "sum") and parts.calls < place.calls:
            return None  # One of the two sums is not made in this pass.
        return JunctionCall(number, tuple(parts.shortcut), tuple(parts.branch))


def _kept(addend: Tensor) -> Tensor:
    """Return a copy of an addend whose values the call replaces by the sum."""
    with torch.enable_grad():
        return addend.clone()


# It is given the call and a function that adds; it returns the sum that the network goes on with.
AddAtJunction = Callable[[JunctionCall, Callable[[], Tensor]], Tensor]


def loss_of_changed_sums(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    detection: Detection,
    add: AddAtJunction,
) -> Tensor:
    """Run a forward pass without gradients in which `add` makes the sums at junctions, and return E.

    The caller preserves the state of the model.
    """
    calls = JunctionCalls(detection.junctions)

    def on_call(site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        call = calls.recognise(site, args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        return add(call, lambda: function(*args, **kwargs))

    with torch.no_grad():
        with CallTracer(model, on_call, lambda *_: None, expanded=detection.expanded):
            output = run_forward(model, Inputs.of(inputs))
        return compute_loss(output, targets, loss)
