"""Recording the additions of one forward pass, and which call makes each value of the autograd graph."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._autograd import _get_sequence_nr
from torch.utils.weak import WeakIdKeyDictionary

from resunit.propagation.detect.additions import ADDITIONS, Addends, addends_of, adds_zero
from resunit.propagation.detect.constants import Constants
from resunit.propagation.detect.found_junction import Shape, TensorLocation
from resunit.propagation.detect.graph import Edge, Node
from resunit.propagation.detect.identity_weights import adds_identity
from resunit.propagation.detect.origins import (
    HiddenOrigins,
    Origin,
    edge_of,
    takes_only_shapes,
    tensors_taken,
)
from resunit.propagation.detect.ranges import Range, range_of_addend
from resunit.propagation.detect.rectifiers import RECTIFYING, rectifies
from resunit.propagation.forward.call_tracing import CallSite
from resunit.propagation.forward.nested import tensors_in

MOST_NAMED_MODULES = 40  # in one sentence
# torch's functions that run a recurrent layer over all steps of a sequence.
OVER_TIME = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@dataclass(frozen=True)
class Addition:
    """A call that added two floating-point tensors.

    Attributes:
        call: the call site.
        edges: the edges of each addend.
        hidden: for each addend without gradients, what it was computed from.
        shape: the shape of the sum.
        sum: the node of the sum.
        overwritten: the number of the addend that the sum replaced, if the call added in place.
        is_in_order: whether the elements of the sum have the order of those that it is a view of, if it is one.
    """

    call: CallSite
    edges: tuple[list[Edge], list[Edge]]
    hidden: tuple[Origin | None, Origin | None]
    shape: Shape
    sum: Node
    overwritten: int | None
    is_in_order: bool


class _Taken(NamedTuple):
    """What a call takes, as it is before the call.

    Attributes:
        addends: the two addends, if the call adds.
        edges: the edges of each addend.
        hidden: for each addend without gradients, what it was computed from.
        adds_zeros: whether the call adds zeros, and so leaves a value as it is.
        first: the first argument, if it is a tensor; the call may overwrite it.
        edge_of_first: its edge.
        identifiers: the integer inputs among the tensors, and what is computed from them without gradients.
        constants: the calls that made the constants among the tensors.
        made_at: the calls that made of the inputs, without gradients, others of the tensors.
        origin: what the results come from, if they may have no gradients.
    """

    addends: Addends | None
    edges: tuple[list[Edge], list[Edge]]
    hidden: tuple[Origin | None, Origin | None]
    adds_zeros: bool
    first: Tensor | None
    edge_of_first: Edge | None
    identifiers: list[Tensor]
    constants: frozenset[CallSite]
    made_at: set[CallSite]
    origin: Origin | None


class ForwardRecorder:
    """Records one forward pass; `on_call` and `on_module_boundary` are for a `CallTracer`.

    Args:
        identifiers: the integer inputs, whose values have no gradients.

    Attributes:
        additions: the additions with gradients, in their order.
        shapes: the shape of each recorded value.
        returned_by: for each node, the outermost module that returns its value.
        sources: the nodes at which integer inputs enter the graph.
        unchanged: the nodes of 0 + x, with which Python's `sum` and loops that add up begin.
        without_gradient: for each module, the number of its additions that ran without gradients.
        complex_sums: the nodes of additions of complex values, and the modules that add them.
        hidden: for some nodes, the edges of values that reach them without gradients.
        late_sources: the nodes at which values enter the graph that were made of integer inputs without
            gradients, as by an embedding under torch.no_grad().
        constants: the values that depend on no input.
        shifts: the nodes of sums of a value and a constant, and the range of the constant.
        rectifiers: the nodes of calls that are no activations by name and set negative values to zero, as y * (y > 0).
        identity_weights: the nodes of sums of an identity and a learned weight, and the modules that add them.
        begins_at: the calls that made of the inputs, without gradients, what later calls with gradients take.
    """

    def __init__(self, identifiers: list[Tensor]):
        self.additions: list[Addition] = []
        self.shapes: dict[Edge, Shape] = {}
        self.returned_by: dict[Node, str] = {}
        self.sources: list[Node] = []
        self.unchanged: set[Node] = set()
        self.without_gradient: Counter[str] = Counter()
        self.complex_sums: dict[Node, str] = {}
        self.hidden: defaultdict[Node, list[Edge]] = defaultdict(list)
        self.late_sources: list[Node] = []
        self.begins_at: set[CallSite] = set()
        self._made_at: WeakIdKeyDictionary = WeakIdKeyDictionary()  # the values without gradients
        self.constants = Constants()
        self.shifts: dict[Node, Range] = {}
        self.rectifiers: set[Node] = set()
        self.identity_weights: dict[Node, str] = {}
        self._origins = HiddenOrigins()
        self._locations: dict[Edge, tuple[CallSite, int]] = {}
        self._overwritten: set[Edge] = set()
        self._over_time: list[range] = []  # the sequence numbers of the nodes that such functions made
        # The time of each value and the span of each call of a module, counted in recorded calls.
        self._now = 0
        self._times: dict[Edge, int] = {}
        self._spans: dict[tuple[str, int], tuple[int, float]] = {}
        # The integer inputs and what is computed from them without gradients. The tensors are kept, so that
        # no other tensor gets the same id during the pass.
        self._identifiers = {id(tensor): tensor for tensor in identifiers}

    def on_call(self, site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function, record its result, and return it."""
        taken = self._look_at(site, args, kwargs)
        if taken.addends is not None and not all(taken.edges) and torch.is_grad_enabled():
            self._record_sum_of_a_constant(taken.addends, taken.edges, taken.hidden)
        first_node = _get_sequence_nr()
        result = function(*args, **kwargs)
        if site.function in OVER_TIME:
            self._over_time.append(range(first_node, _get_sequence_nr()))
        self._now += 1
        self._record_values(site, result)
        self._follow_identifiers(result, taken.identifiers)
        self._follow_hidden(result, taken.origin)
        self._follow_beginnings(site, result, taken)
        self._follow_constants(site, result, taken)
        before = taken.edge_of_first
        if before is not None and result is taken.first and _edge_of(result) != before:
            self._overwritten.add(before)
        # A compiled graph runs torch's operators without gradients; it is named as a compiled function.
        is_compiled = isinstance(function, torch._ops.OpOverload) and not torch.is_grad_enabled()
        self._record_sum(site, result, taken, is_compiled)
        self._record_shift(site, args, kwargs, result)
        if site.function in RECTIFYING and rectifies(args, result):
            self.rectifiers.add(result.grad_fn)
        return result

    def _look_at(self, site: CallSite, args: Any, kwargs: Any) -> _Taken:
        """Return what a call takes, before it may overwrite that."""
        addends = addends_of(site.function, args, kwargs)
        edges = (_edges_of(addends[0]), _edges_of(addends[1])) if addends else ([], [])
        hidden = (self._origin_of(addends[0]), self._origin_of(addends[1])) if addends else (None, None)
        first = args[0] if args and isinstance(args[0], Tensor) else None
        tensors = list(tensors_taken(site.function, args, kwargs))
        return _Taken(
            addends=addends,
            edges=edges,
            hidden=hidden,
            adds_zeros=adds_zero(site.function, args)
            or (addends is not None and _adds_zeros(addends, edges, hidden)),
            first=first,
            edge_of_first=None if first is None else _edge_of(first),
            identifiers=[tensor for tensor in tensors if id(tensor) in self._identifiers],
            constants=self.constants.sites_of([] if takes_only_shapes(site.function) else tensors),
            made_at={self._made_at[tensor] for tensor in tensors if tensor in self._made_at},
            origin=self._origins.of_call(site.function, args, kwargs),
        )

    def on_module_boundary(self, site: CallSite, value: Any) -> None:
        """Record the arguments or the result of a module."""
        self._now += 1
        if site.function == "input":
            self._spans[site.module, site.module_call] = self._now, float("inf")
        self._record_values(site, value)
        if site.function == "output":
            begin, _ = self._spans.get((site.module, site.module_call), (0, 0))
            self._spans[site.module, site.module_call] = begin, self._now
            for tensor in tensors_in(value):
                if tensor.grad_fn is not None:
                    self.returned_by[tensor.grad_fn] = site.module

    def location_of(self, edge: Edge) -> TensorLocation | None:
        """Return where the pass makes a value, or None if no call returned it."""
        if edge not in self._locations:
            return None
        return TensorLocation(*self._locations[edge], is_overwritten=edge in self._overwritten)

    def time_of(self, edge: Edge) -> int:
        """Return when the pass made a recorded value, counted in recorded calls."""
        return self._times[edge]

    def nodes_made_at(self, site: CallSite) -> list[Node]:
        """Return the nodes of the values that a call returned."""
        return [node for (node, _), (made_at, _) in self._locations.items() if made_at == site]

    def is_within(self, node: Node, call: CallSite) -> bool | None:
        """Return whether a node's value was made during the call of the module that makes a call.

        Returns None if no call returned the value.
        """
        if (time := self._times.get((node, 0))) is None:
            return None
        begin, end = self._spans.get((call.module, call.module_call), (0, float("inf")))
        return begin <= time <= end

    def is_step_over_time(self, node: Node) -> bool:
        """Return whether a node is a part of what a recurrent layer of torch runs over a sequence."""
        return any(node._sequence_nr() in steps for steps in self._over_time)

    def modules_of(self, nodes: Iterable[Node]) -> str:
        """Return the modules that made some values, as words for a sentence."""
        known = (self._locations.get((node, 0)) for node in nodes)
        return name_modules(found[0].module for found in known if found is not None)

    def _record_values(self, site: CallSite, value: Any) -> None:
        for index, tensor in enumerate(tensors_in(value)):
            edge = _edge_of(tensor)
            if edge is not None and edge not in self._locations:
                self._locations[edge] = site, index
                self._times[edge] = self._now
                self.shapes[edge] = tuple(tensor.shape)

    def _follow_identifiers(self, result: Any, identifiers: list[Tensor]) -> None:
        """Note where what is computed from integer inputs enters the graph, or goes on without gradients."""
        if not identifiers:
            return
        is_late = all(tensor.is_floating_point() for tensor in identifiers)
        for tensor in tensors_in(result):
            if tensor.requires_grad:
                (self.late_sources if is_late else self.sources).append(tensor.grad_fn)
            else:
                self._identifiers[id(tensor)] = tensor

    def _follow_hidden(self, result: Any, origin: Origin | None) -> None:
        """Note what the results of a call were computed from without gradients."""
        if origin is None:
            return
        for tensor in tensors_in(result):
            if tensor.grad_fn is not None:
                self.hidden[tensor.grad_fn] += origin.hidden_edges
            elif not tensor.requires_grad and tensor.is_floating_point():
                self._origins.add(tensor, origin)

    def _follow_beginnings(self, site: CallSite, result: Any, taken: _Taken) -> None:
        """Note the calls that made of the inputs, without gradients, what this call gives gradients to."""
        comes_from_inputs = taken.identifiers or (
            taken.origin is not None and all(node in self.sources for node, _ in taken.origin.edges)
        )
        if any(tensor.requires_grad for tensor in tensors_in(result)):
            self.begins_at |= taken.made_at
        elif comes_from_inputs:
            for tensor in tensors_in(result):
                if tensor.is_floating_point():
                    self._made_at[tensor] = site

    def _follow_constants(self, site: CallSite, result: Any, taken: _Taken) -> None:
        """Note which results of a call are constants, and which ones with gradients take constants."""
        if taken.origin is None and not taken.identifiers:
            self.constants.add(site, taken.constants, list(tensors_in(result)))
        elif taken.constants:
            with_gradients = [tensor for tensor in tensors_in(result) if tensor.grad_fn is not None]
            self.constants.add(site, taken.constants, with_gradients)

    def _origin_of(self, addend: Tensor) -> Origin | None:
        return None if _edges_of(addend) else self._origins.of_tensors([addend])

    def _record_sum_of_a_constant(
        self,
        addends: Addends,
        edges: tuple[list[Edge], list[Edge]],
        hidden: tuple[Origin | None, Origin | None],
    ) -> None:
        for index in (0, 1):
            constant, other = addends[index], addends[1 - index]
            is_constant = edges[1 - index] and not edges[index] and hidden[index] is None
            # A mask has mostly another shape than what it is added to.
            if is_constant and constant.shape == other.shape:
                self.constants.add_sum(constant, edges[1 - index])

    def _record_sum(self, site: CallSite, result: Any, taken: _Taken, is_compiled: bool) -> None:
        """Record the result of a call that adds."""
        if taken.adds_zeros:
            self.unchanged.add(result.grad_fn)
        if taken.addends and adds_identity(taken.addends, [*taken.edges[0], *taken.edges[1]], self.sources):
            self.identity_weights[result.grad_fn] = site.module
        if taken.addends and isinstance(result, Tensor) and not is_compiled:
            self._record_addition(site, taken.addends, taken, result)
        elif site.function in ADDITIONS and _is_complex(result):
            self.complex_sums[result.grad_fn] = site.module

    def _record_shift(self, site: CallSite, args: Any, kwargs: Any, result: Any) -> None:
        """Record the constant that a call adds to a value, or takes it away from."""
        name = site.function.strip("_")
        sign = {"add": 1, "radd": 1, "iadd": 1, "sub": -1, "isub": -1, "subtract": -1, "rsub": 1}.get(name)
        node = result.grad_fn if isinstance(result, Tensor) else None
        if sign is None or node is None or kwargs or len(args) != 2:
            return
        first, second = args
        is_reversed = isinstance(second, Tensor) and second.requires_grad  # c - x, where others are x - c
        constant = first if is_reversed else second
        if isinstance(constant, Tensor) and constant.requires_grad:
            return
        if (shift := range_of_addend(constant, 1 if is_reversed else sign)) is not None:
            self.shifts[node] = shift

    def _record_addition(self, site: CallSite, addends: Addends, taken: _Taken, result: Tensor) -> None:
        if not all(taken.edges[index] or taken.hidden[index] for index in (0, 1)):
            return
        if not torch.is_grad_enabled():
            if _same_shape(addends):
                self.without_gradient[site.module] += 1
        elif result.grad_fn is not None:
            self.additions.append(
                Addition(
                    call=site,
                    edges=taken.edges,
                    hidden=taken.hidden,
                    shape=tuple(result.shape),
                    sum=result.grad_fn,
                    overwritten=next((index for index in (0, 1) if result is addends[index]), None),
                    is_in_order=_is_in_order(result),
                )
            )


def name_modules(modules: Iterable[str]) -> str:
    """Return the names of modules, each once, as words for a sentence."""
    names = list(dict.fromkeys(module or "the model" for module in modules))
    others = len(names) - MOST_NAMED_MODULES
    return ", ".join(names[:MOST_NAMED_MODULES]) + (f" and {others} more" if others > 0 else "")


def _is_complex(result: Any) -> bool:
    return isinstance(result, Tensor) and result.is_complex() and result.requires_grad


def _adds_zeros(
    addends: Addends,
    edges: tuple[list[Edge], list[Edge]],
    hidden: tuple[Origin | None, Origin | None],
) -> bool:
    """Return whether a call adds zeros to a value with gradients, and leaves its shape."""
    if bool(edges[0]) == bool(edges[1]) or any(hidden):
        return False
    value, zeros = addends if edges[0] else addends[::-1]
    return torch.broadcast_shapes(value.shape, zeros.shape) == value.shape and not zeros.any()


def _is_in_order(tensor: Tensor) -> bool:
    base = tensor._base
    if base is None:
        return True
    return tensor.is_contiguous() and base.is_contiguous() and tensor.numel() == base.numel()


def _same_shape(addends: Addends) -> bool:
    return addends[0].shape == addends[1].shape


def _edge_of(tensor: Tensor) -> Edge | None:
    return None if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def _edges_of(addend: Tensor) -> list[Edge]:
    """Return the edge into an addition, in a list; parameters have one too."""
    edge = edge_of(addend)
    return [] if edge is None else [edge]
