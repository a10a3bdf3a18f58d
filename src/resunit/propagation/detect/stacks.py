"""Finding values that are put side by side and then summed: an addition that no call makes."""

import heapq
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import (
    is_custom,
    is_nonlinear,
    is_normalisation,
    keeps_values,
    mixes,
    sums_products,
)
from resunit.propagation.detect.products import pass_back, product

# Nodes of values that are made of several others, each in its own place.
SIDE_BY_SIDE = (
    "Stack", "Cat", "CopySlices", "Complex", "IndexPut", "IndexCopy", "Scatter", "MaskedScatter", "SliceScatter",
    "SelectScatter", "DiagonalScatter", "AsStridedScatter",
)  # fmt: skip
# What these make of several values is no sum.
NO_SUMS = (
    "Softmax",
    "Logsumexp",
    "Logcumsumexp",
    "Norm",
    "Max",
    "Min",
    "Var",
    "Std",
    "Prod",
    "Median",
    "Sort",
)
KEEPS_APART = (
    "Mul",
    "Div",
    "Neg",
    "Unsqueeze",
    "Expand",
    "Select",
    "Slice",
    "Unbind",
    "Split",
    "SplitWithSizes",
)
MOST_PARTS = 6  # of one value that are compared with each other
MOST_NODES = 40  # behind one value that are looked at
PLACES = (0.13, 0.38, 0.5, 0.62, 0.87)  # of the elements of a result whose gradients are looked at
MOST_POOLED = 16  # elements of one part that a sum may take, as average pooling does


@dataclass(frozen=True)
class SideBySide:
    """A value that is made of several others.

    Attributes:
        node: its node.
        parts: the edges of the values that it is made of.
        inside: the nodes from it down to its parts, the last ones first.
    """

    node: Node
    parts: tuple[Edge, ...]
    inside: tuple[Node, ...]

    def pairs(self) -> Iterator[tuple[Edge, Edge]]:
        """Yield all pairs of different parts."""
        yield from itertools.combinations(dict.fromkeys(self.parts[:MOST_PARTS]), 2)


def values_side_by_side(graph: Graph) -> Iterator[SideBySide]:
    """Yield all values of a graph that are made of several others, each in its own place."""
    for node in graph.children:
        if operation_of(node) in SIDE_BY_SIDE:
            parts, inside = _parts_of(graph, node)
            if len(parts) > 1:
                yield SideBySide(node, tuple(parts), tuple(inside))


def find_sum(graph: Graph, value: SideBySide, pair: tuple[Edge, Edge]) -> Node | None:
    """Return the first node that adds two parts of a value element by element, or None if no node does.

    The gradient of one element of its result reaches elements of both parts. A layer whose weights mix the channels
    of both parts is no such sum, nor is the attention among them.

    Args:
        graph: the graph of the forward pass, through which gradients can still go.
        value: the value.
        pair: the two parts.
    """
    if _size(pair[0]) != _size(pair[1]):
        return None
    behind = {value.node}
    seen = {value.node}
    waiting = [(graph.rank[user], user) for user in set(graph.users[value.node])]
    heapq.heapify(waiting)
    while waiting and len(seen) < MOST_NODES:
        _, node = heapq.heappop(waiting)
        if node in seen:
            continue
        seen.add(node)
        taken = sum(edge[0] in behind for edge in graph.children[node])
        if _ends_search(graph, node, taken):
            continue
        if not _keeps_apart(graph, node, taken):
            if _adds_up(graph, node, value, pair):
                return node
            if mixes(graph, node):
                continue
        behind.add(node)
        for user in set(graph.users[node]) - seen:
            heapq.heappush(waiting, (graph.rank[user], user))
    return None


def _parts_of(graph: Graph, node: Node) -> tuple[list[Edge], list[Node]]:
    """Return the parts of a value, also of values within it, and the nodes down to them."""
    parts: list[Edge] = []
    inside = [node]
    for edge in graph.children[node]:
        passed: list[Node] = []
        below = edge[0]
        while keeps_values(graph, below) and len(graph.children[below]) == 1 == len(graph.users[below]):
            passed.append(below)
            below = graph.children[below][0][0]
        if operation_of(below) in SIDE_BY_SIDE and len(graph.users[below]) == 1:
            more, further = _parts_of(graph, below)
            parts += more
            inside += [*passed, *further]
        else:
            parts.append(edge)
    return parts, inside


def _ends_search(graph: Graph, node: Node, taken: int) -> bool:
    name = operation_of(node)
    is_product = name in ("Mul", "Div") or sums_products(node)
    return (
        is_custom(node)
        or is_normalisation(graph, node)
        or any(part in name for part in NO_SUMS)
        or (is_product and taken > 1)
    )


def _keeps_apart(graph: Graph, node: Node, taken: int) -> bool:
    """Return whether a node keeps the elements of what it takes apart."""
    name = operation_of(node)
    if keeps_values(graph, node) or name in KEEPS_APART or name in SIDE_BY_SIDE:
        return True
    return (
        taken == 1
        and not sums_products(node)
        and (len(graph.children[node]) > 1 or is_nonlinear(graph, node))
    )


def _adds_up(graph: Graph, node: Node, value: SideBySide, pair: tuple[Edge, Edge]) -> bool:
    """Return whether one element of a node's result is computed from elements of both parts."""
    result = node._input_metadata[0]
    has_weights = mixes(graph, node) or (sums_products(node) and len(graph.children[node]) > 1)
    size = math.prod(result.shape)
    places: list[tuple[set[int], set[int]]] = []  # the elements of each part that single elements are made of
    for place in {int(share * size) for share in PLACES} if size > 1 else ():
        one = torch.zeros(result.shape, dtype=result.dtype, device=result.device)
        one.view(-1)[place] = 1
        try:
            places.append(_reached(graph, (node, 0), one, value, pair))
        except RuntimeError:  # A value that the gradient needs was changed in place: nobody knows.
            return True
    if not has_weights:
        return any(0 < len(one) <= MOST_POOLED and 0 < len(other) <= MOST_POOLED for one, other in places)
    # Weights that mix the channels of both parts are a layer, as in a dense net. Those that keep one part are not.
    one, other = zip(*places, strict=True) if places else ((), ())
    return any(one) and any(other) and (_is_kept(one) or _is_kept(other))


def _is_kept(reached: Sequence[set[int]]) -> bool:
    """Return whether each element of a result is made of one element of a part at most, and no two of the same one."""
    elements = [element for of_place in reached for element in of_place]
    return all(len(of_place) <= 1 for of_place in reached) and len(set(elements)) == len(elements)


def _reached(
    graph: Graph, of: Edge, one: Tensor, value: SideBySide, pair: tuple[Edge, Edge]
) -> tuple[set[int], set[int]]:
    """Return which elements of each part have a gradient."""
    at_value = product([(of, one)], (value.node, 0), graph.rank)
    if at_value is None:
        return set(), set()
    gradients = pass_back(value.inside, [((value.node, 0), at_value)])

    def elements(part: Edge) -> set[int]:
        node, output = part
        gradient = gradients[node][output] if node in gradients else None
        return set() if gradient is None else set(gradient.flatten().nonzero().flatten().tolist())

    return elements(pair[0]), elements(pair[1])


def _size(edge: Edge) -> int:
    return math.prod(edge[0]._input_metadata[edge[1]].shape)
