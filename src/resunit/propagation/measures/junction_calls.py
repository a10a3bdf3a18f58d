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


class _Place(NamedTuple):
    """What a call adds at a junction.

    Attributes:
        number: the number of the junction.
        shortcut_index: which addend is the shortcut, or the sum so far.
        adds_shortcut: whether the other addend is a further part of the shortcut, and no branch.
        overwritten: the number of the addend that has other values when the call that makes y_l comes.
        is_last: whether the call makes the sum y_l.
    """

    number: int
    shortcut_index: int
    adds_shortcut: bool
    overwritten: int | None
    is_last: bool


class _SoFar(NamedTuple):
    """The addends of a junction that earlier calls have added."""

    shortcuts: tuple[Addend, ...]
    branches: tuple[Addend, ...]


class JunctionCalls:
    """Recognises the calls that add at known junctions among all calls of a pass.

    Args:
        junctions: the known junctions.
    """

    def __init__(self, junctions: Sequence[FoundJunction]):
        self._places: dict[CallSite, _Place] = {}
        for number, junction in enumerate(junctions):
            for earlier in junction.earlier:
                self._places[earlier.call] = _Place(
                    number, earlier.shortcut_index, earlier.adds_shortcut, earlier.overwritten, is_last=False
                )
            self._places[junction.call] = _Place(
                number, junction.shortcut_index, junction.adds_shortcut, None, is_last=True
            )
        self._so_far: dict[int, _SoFar] = {}

    def recognise(self, site: CallSite, args: tuple[Any, ...], kwargs: dict[str, Any]) -> JunctionCall | None:
        """Return the junction that a call adds at, or None if it is no such call.

        In x + F(x) + G(x) the last call adds at the junction; the calls before it are remembered until then.
        """
        place = self._places.get(site)
        if place is None or (addends := addends_of(site.function, args, kwargs)) is None:
            return None
        both = [_kept(addend) if i == place.overwritten else addend for i, addend in enumerate(addends)]
        shortcut, other = both[place.shortcut_index], both[1 - place.shortcut_index]
        so_far = self._so_far.pop(place.number, None)
        if so_far is None:
            so_far = _SoFar((shortcut,), (other,))
        elif place.adds_shortcut:
            so_far = _SoFar((*so_far.shortcuts, other), so_far.branches)
        else:
            so_far = _SoFar(so_far.shortcuts, (*so_far.branches, other))
        if not place.is_last:
            self._so_far[place.number] = so_far
            return None
        return JunctionCall(place.number, _sum_of(so_far.shortcuts), _sum_of(so_far.branches))


def _kept(addend: Addend) -> Addend:
    """Return an addend whose values stay as they are when the call replaces them by the sum."""
    with torch.enable_grad():
        value = addend.value().clone()
    return Addend((value,), lambda: value)


def _sum_of(addends: Sequence[Addend]) -> Addend:
    """Return the sum of several addends as one addend."""
    if len(addends) == 1:
        return addends[0]
    inputs = tuple(tensor for addend in addends for tensor in addend.inputs)
    return Addend(inputs, lambda: sum((addend.value() for addend in addends[1:]), addends[0].value()))


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
