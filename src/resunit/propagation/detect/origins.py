"""Following values that the pass computes without gradients back to the values that they come from.

Autograd's graph ends where a value is detached, quantised, or computed under torch.no_grad(). The origins
say where it would go on, so that a junction whose branch has no gradient can be named.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.utils.weak import WeakIdKeyDictionary

from resunit.propagation.detect.graph import Edge
from resunit.propagation.forward.nested import tensors_in

# The results of functions with these parts in their names take no value from their arguments.
ONLY_SHAPES = ("_like", "new_", "size", "shape", "bernoulli", "rand", "normal_", "uniform_", "zero_", "fill_")

# These functions take values from their first argument, and only shape, precision or device from another one.
VALUES_OF_FIRST = ("to", "type_as", "expand_as", "view_as", "reshape_as", "sum_to_size")


class Origin(NamedTuple):
    """What a value was computed from.

    Attributes:
        edges: the values with gradients, of the call itself and of those before it.
        hidden_edges: those of them that are behind a value without gradients.
        has_weight: whether a weight takes part.
    """

    edges: tuple[Edge, ...]
    hidden_edges: tuple[Edge, ...]
    has_weight: bool


class HiddenOrigins:
    """The origins of the values of one pass that have no gradients; they keep no value alive."""

    def __init__(self) -> None:
        self._known: WeakIdKeyDictionary = WeakIdKeyDictionary()

    def of_call(self, function: str, args: Any, kwargs: Any) -> Origin | None:
        """Return the origin of the results of a call, or None if they come from no value with gradients."""
        if takes_only_shapes(function):
            return None
        return self.of_tensors(tensors_taken(function, args, kwargs), any_packed=_holds_packed_weights(args))

    def of_tensors(self, tensors: Iterable[Tensor], any_packed: bool = False) -> Origin | None:
        """Return the origin of what is computed from some tensors, or None if they have none."""
        edges: dict[Edge, None] = {}
        hidden: dict[Edge, None] = {}
        has_weight = any_packed
        for tensor in tensors:
            if isinstance(tensor, nn.Parameter):
                has_weight = has_weight or tensor.ndim >= 2
            elif (known := self._known.get(tensor)) is not None:
                edges |= dict.fromkeys(known.edges)
                hidden |= dict.fromkeys(known.edges)
                has_weight = has_weight or known.has_weight
            elif (edge := edge_of(tensor) or _edge_of_base(tensor)) is not None:
                edges[edge] = None
        return Origin(tuple(edges), tuple(hidden), has_weight) if edges else None

    def add(self, tensor: Tensor, origin: Origin) -> None:
        """Note the origin of a value without gradients."""
        self._known[tensor] = origin


def tensors_taken(function: str, args: Any, kwargs: Any) -> Iterator[Tensor]:
    """Yield the tensors that a call takes values from, and those whose shapes decide its result."""
    return tensors_in(args[:1] if args and function in VALUES_OF_FIRST else (args, kwargs))


def takes_only_shapes(function: str) -> bool:
    """Return whether the result of a function holds no value of its arguments."""
    return any(part in function for part in ONLY_SHAPES)


def edge_of(tensor: Tensor) -> Edge | None:
    """Return the edge of a tensor, a parameter's too, or None if it has none.

    A view that was made under torch.no_grad() may require gradients and have no node.
    """
    if not tensor.requires_grad:
        return None
    try:
        edge = get_gradient_edge(tensor)
    except AssertionError:  # torch expects a node.
        return None
    return edge.node, edge.output_nr


def _edge_of_base(view: Tensor) -> Edge | None:
    """Return the edge of what a view without a node is a view of."""
    return edge_of(view._base) if view.requires_grad and view._base is not None else None


def _holds_packed_weights(args: Any) -> bool:
    return any(isinstance(value, torch.ScriptObject) for value in args)
