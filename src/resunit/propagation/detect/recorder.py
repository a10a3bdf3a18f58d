"""Recording the additions of one forward pass, and which call makes each value of the autograd graph."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from resunit.propagation.detect.additions import Addend, Addends, addends_of, adds_zero
from resunit.propagation.detect.found_junction import Shape, TensorLocation
from resunit.propagation.detect.graph import Edge, Node
from resunit.propagation.forward.call_tracing import CallSite
from resunit.propagation.forward.nested import tensors_in


@dataclass(frozen=True)
class Addition:
    """A call that added two floating-point tensors.

    Attributes:
        call: the call site.
        edges: the edges of each addend.
        factors: what the call multiplied each addend by.
        shape: the shape of the sum.
        sum: the node of the sum.
    """

    call: CallSite
    edges: tuple[list[Edge], list[Edge]]
    factors: tuple[float | Tensor, float | Tensor]
    shape: Shape
    sum: Node


class ForwardRecorder:
    """Records one forward pass; `on_call` and `on_module_boundary` are for a `CallTracer`.

    Args:
        identifiers: the integer inputs, whose values have no gradients.

    Attributes:
        additions: the additions with gradients, in their order.
        shapes: the shape of each recorded value.
        returned_by: for each node, the outermost module that returns its value.
        sources: the nodes at which integer inputs enter the graph.
        unchanged: the nodes of 0 + x, with which Python's `sum` begins.
        without_gradient: for each module, the number of its additions that ran without gradients.
    """

    def __init__(self, identifiers: list[Tensor]):
        self.additions: list[Addition] = []
        self.shapes: dict[Edge, Shape] = {}
        self.returned_by: dict[Node, str] = {}
        self.sources: list[Node] = []
        self.unchanged: set[Node] = set()
        self.without_gradient: Counter[str] = Counter()
        self._locations: dict[Edge, tuple[CallSite, int]] = {}
        self._overwritten: set[Edge] = set()
        # The time of each value and the span of each call of a module, counted in recorded calls.
        self._now = 0
        self._times: dict[Edge, int] = {}
        self._spans: dict[tuple[str, int], tuple[int, float]] = {}
        # The integer inputs and what is computed from them without gradients. The tensors are kept, so that
        # no other tensor gets the same id during the pass.
        self._identifiers = {id(tensor): tensor for tensor in identifiers}

    def on_call(self, site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function, record its result, and return it."""
        addends = addends_of(site.function, args, kwargs)
        edges = (_edges_of(addends[0]), _edges_of(addends[1])) if addends else ([], [])
        first = args[0] if args and isinstance(args[0], Tensor) else None
        edge_before = _edge_of(first) if first is not None else None
        takes_identifiers = any(id(tensor) in self._identifiers for tensor in tensors_in((args, kwargs)))
        result = function(*args, **kwargs)
        self._now += 1
        self._record_values(site, result)
        if takes_identifiers:
            self._follow_identifiers(result)
        if result is first and edge_before is not None and _edge_of(result) != edge_before:
            self._overwritten.add(edge_before)
        if adds_zero(site.function, args):
            self.unchanged.add(result.grad_fn)
        if addends and isinstance(result, Tensor):
            self._record_addition(site, addends, edges, result)
        return result

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

    def is_within(self, node: Node, call: CallSite) -> bool | None:
        """Return whether a node's value was made during the call of the module that makes a call.

        Returns None if no call returned the value.
        """
        if (time := self._times.get((node, 0))) is None:
            return None
        begin, end = self._spans.get((call.module, call.module_call), (0, float("inf")))
        return begin <= time <= end

    def _record_values(self, site: CallSite, value: Any) -> None:
        for index, tensor in enumerate(tensors_in(value)):
            edge = _edge_of(tensor)
            if edge is not None and edge not in self._locations:
                self._locations[edge] = site, index
                self._times[edge] = self._now
                self.shapes[edge] = tuple(tensor.shape)

    def _follow_identifiers(self, result: Any) -> None:
        for tensor in tensors_in(result):
            if tensor.requires_grad:
                self.sources.append(tensor.grad_fn)
            else:
                self._identifiers[id(tensor)] = tensor

    def _record_addition(
        self, site: CallSite, addends: Addends, edges: tuple[list[Edge], list[Edge]], result: Tensor
    ) -> None:
        first, second = addends
        if not torch.is_grad_enabled() and first.inputs[0].shape == second.inputs[0].shape:
            self.without_gradient[site.module] += 1
        elif edges[0] and edges[1]:
            factors = first.factor, second.factor
            self.additions.append(Addition(site, edges, factors, tuple(result.shape), result.grad_fn))


def _edge_of(tensor: Tensor) -> Edge | None:
    return None if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def _edges_of(addend: Addend) -> list[Edge]:
    """Return the edges into an addition; parameters have one too."""
    edges = [get_gradient_edge(tensor) for tensor in addend.inputs if tensor.requires_grad]
    return [(edge.node, edge.output_nr) for edge in edges]
