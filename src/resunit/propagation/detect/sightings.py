"""What is seen of a network in one forward pass, above autograd."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from resunit.propagation.detect.additions import Term, adds_zero, terms
from resunit.propagation.detect.graph import Edge, Node
from resunit.propagation.detect.sites import Capture
from resunit.propagation.detect.watching import Place, tensors_in


@dataclass(frozen=True)
class Addition:
    """An addition met in the pass."""

    place: Place
    edges: tuple[list[Edge], list[Edge]]
    factors: tuple[float | Tensor, float | Tensor]
    shape: tuple[int, ...]
    sum: Node


class Sightings:
    """What one pass shows: the additions, and where each value of the graph is made."""

    def __init__(self, identifiers: list[Tensor]):
        self.additions: list[Addition] = []
        self.made: dict[Edge, tuple[Capture, tuple[int, ...]]] = {}
        self.returned_by: dict[Node, str] = {}  # the outermost module that returns a value
        self.sources: list[Node] = []
        self.overwritten: set[Edge] = set()
        self.unchanged: set[Node] = set()  # 0 + x, as Python's sum begins
        self.without_gradient: Counter[str] = Counter()
        self._identifiers = {
            id(tensor): tensor for tensor in identifiers
        }  # integer inputs, and what is made of them without gradients

    def on_function(self, place: Place, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        pair = terms(place.function, args, kwargs)
        edges = (_edges(pair[0]), _edges(pair[1])) if pair else ([], [])
        first = args[0] if args and isinstance(args[0], Tensor) else None
        before = _edge(first) if first is not None else None
        reads_identifiers = any(id(tensor) in self._identifiers for tensor in tensors_in((args, kwargs)))
        result = func(*args, **kwargs)
        for position, tensor in enumerate(tensors_in(result)):
            self._note(place, position, tensor)
            if reads_identifiers:
                if tensor.requires_grad:
                    self.sources.append(tensor.grad_fn)
                else:
                    self._identifiers[id(tensor)] = tensor
        if result is first and before is not None and _edge(result) != before:
            self.overwritten.add(before)
        if adds_zero(place.function, args):
            self.unchanged.add(result.grad_fn)
        if pair and isinstance(result, Tensor):
            if not torch.is_grad_enabled() and pair[0].inputs[0].shape == pair[1].inputs[0].shape:
                self.without_gradient[place.module] += 1
            elif edges[0] and edges[1]:
                factors = pair[0].factor, pair[1].factor
                self.additions.append(Addition(place, edges, factors, tuple(result.shape), result.grad_fn))
        return result

    def on_passage(self, place: Place, value: Any) -> None:
        for position, tensor in enumerate(tensors_in(value)):
            self._note(place, position, tensor)
            if place.function == "output" and tensor.grad_fn is not None:
                self.returned_by[tensor.grad_fn] = place.module

    def _note(self, place: Place, position: int, tensor: Tensor) -> None:
        edge = _edge(tensor)
        if edge is not None and edge not in self.made:
            self.made[edge] = Capture(place, position, False), tuple(tensor.shape)

    def capture(self, edge: Edge) -> Capture | None:
        if edge not in self.made:
            return None
        return self.made[edge][0]._replace(copy=edge in self.overwritten)


def _edge(tensor: Tensor) -> Edge | None:
    return None if tensor.grad_fn is None else (tensor.grad_fn, tensor.output_nr)


def _edges(term: Term) -> list[Edge]:
    """The edges into an addition; parameters have one too."""
    edges = [get_gradient_edge(tensor) for tensor in term.inputs if tensor.requires_grad]
    return [(edge.node, edge.output_nr) for edge in edges]
