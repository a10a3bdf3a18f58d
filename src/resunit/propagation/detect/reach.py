"""What lies on the ways from possible beginnings x of a junction to every value of the graph."""

from collections.abc import Iterable, Mapping

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import is_custom, is_nonlinear, is_normalisation, mixes

# What lies on the ways from a value x to another value: bits of a number, because tables of enums are slow.
OPEN = 1  # there is a way
LAYER = 2  # a layer with parameters: weights, a normalisation, a custom autograd function
WEIGHT = 4  # a weight that mixes channels or positions
WEIGHTS = 8  # two of them in a row
NONLINEAR = 16
NORMALISED = 32  # a division by a root, as normalisation is written out

NO_WAYS: dict[Edge, int] = {}


class Reach:
    """For each value, which of some earlier values it is computed from, and through what.

    One pass over the graph carries a small table with each value: the ways that lead to it. A value leaves
    the tables as soon as nobody asks for it any more, so they stay small.

    Args:
        graph: the graph of the forward pass.
        asked_until: the values that are asked for, and the last rank at which each of them is.
    """

    def __init__(self, graph: Graph, asked_until: Mapping[Edge, int]):
        self._of_node: dict[Node, dict[Edge, int]] = {}
        for node, children in graph.children.items():
            rank = graph.rank[node]
            arriving: dict[Edge, int] = {}
            for edge in children:
                for x, way in self._of_node[edge[0]].items():
                    if asked_until[x] >= rank:
                        arriving[x] = arriving.get(x, 0) | way
                if asked_until.get(edge, -1) >= rank:
                    arriving[edge] = arriving.get(edge, 0) | OPEN
            self._of_node[node] = _through(graph, node, arriving) if arriving else NO_WAYS

    def way(self, x: Edge, values: Iterable[Edge]) -> int:
        """Return what lies on the ways from x to some values; 0 if there is no way."""
        way = 0
        for value in values:
            way |= OPEN if value == x else self._of_node[value[0]].get(x, 0)
        return way


def _through(graph: Graph, node: Node, arriving: dict[Edge, int]) -> dict[Edge, int]:
    """Return the ways to the result of a node from the ways to what it takes."""
    added = 0
    if is_nonlinear(graph, node):
        added |= NONLINEAR
    if is_custom(node) or is_normalisation(graph, node):
        added |= LAYER
    if operation_of(node) == "Rsqrt":
        added |= NORMALISED
    if graph.parameters[node]:
        if mixes(graph, node):
            return {x: through_weight(way | added) for x, way in arriving.items()}
        return {x: way | added | (LAYER if way & NORMALISED else 0) for x, way in arriving.items()}
    return {x: way | added for x, way in arriving.items()} if added else arriving


def through_weight(way: int) -> int:
    """Return a way with one more weight at its end."""
    return way | LAYER | (WEIGHTS if way & WEIGHT else WEIGHT)
