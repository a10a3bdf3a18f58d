"""What lies on the ways from possible beginnings x of a junction to every value of the graph."""

from collections.abc import Mapping
from enum import IntFlag

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import is_custom, is_nonlinear, is_normalisation, mixes


class Way(IntFlag):
    """What lies on the ways from a value x to another value."""

    OPEN = 1  # there is a way
    LAYER = 2  # a layer with parameters: weights, a normalisation, a custom autograd function
    WEIGHT = 4  # a weight that mixes channels or positions
    WEIGHTS = 8  # two of them in a row
    NONLINEAR = 16
    NORMALISED = 32  # a division by a root, as normalisation is written out


NOTHING: dict[Edge, Way] = {}


class Reach:
    """For each value, which of some earlier values it is computed from, and through what.

    One pass over the graph carries a small table with each value: the ways that lead to it. A value leaves
    the tables as soon as nobody asks for it any more, so they stay small.

    Args:
        graph: the graph of the forward pass.
        asked_until: the values that are asked for, and the last rank at which each of them is.
    """

    def __init__(self, graph: Graph, asked_until: Mapping[Edge, int]):
        self._asked_until = asked_until
        self._of_node: dict[Node, dict[Edge, Way]] = {}
        for node, children in graph.children.items():
            rank = graph.rank[node]
            arriving: dict[Edge, Way] = {}
            for edge in children:
                for x, way in self.to(edge).items():
                    if asked_until[x] >= rank:
                        arriving[x] = arriving.get(x, Way.OPEN) | way
            self._of_node[node] = _through(graph, node, arriving) if arriving else NOTHING

    def to(self, value: Edge) -> dict[Edge, Way]:
        """Return the ways to a value, by the values where they begin."""
        ways = self._of_node[value[0]]
        return {**ways, value: Way.OPEN} if value in self._asked_until else ways


def _through(graph: Graph, node: Node, arriving: dict[Edge, Way]) -> dict[Edge, Way]:
    """Return the ways to the result of a node from the ways to what it takes."""
    added = Way.OPEN
    if is_nonlinear(graph, node):
        added |= Way.NONLINEAR
    if is_custom(node) or is_normalisation(graph, node):
        added |= Way.LAYER
    if operation_of(node) == "Rsqrt":
        added |= Way.NORMALISED
    if mixes(graph, node):
        added |= Way.LAYER | Way.WEIGHT
        return {x: way | added | second_weight(way) for x, way in arriving.items()}
    if graph.parameters[node]:
        return {x: way | added | _scale_after_normalisation(way) for x, way in arriving.items()}
    return {x: way | added for x, way in arriving.items()} if added != Way.OPEN else arriving


def second_weight(way: Way) -> Way:
    """Return what one more weight adds to a way."""
    return Way.WEIGHTS if Way.WEIGHT in way else Way.OPEN


def _scale_after_normalisation(way: Way) -> Way:
    return Way.LAYER if Way.NORMALISED in way else Way.OPEN
