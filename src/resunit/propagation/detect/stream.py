"""Following the stream back from one junction to the one before it."""

from typing import NamedTuple

from resunit.propagation.detect.dominators import Dominators
from resunit.propagation.detect.graph import Edge, Graph, Node
from resunit.propagation.detect.layers import WEIGHT_LAYER


class Previous(NamedTuple):
    """The junction whose sum becomes x.

    Attributes:
        number: its number; None where a new stream begins.
        between: the nodes between its sum and x, those nearest to x first.
    """

    number: int | None
    between: tuple[Node, ...]


def find_previous(graph: Graph, dominators: Dominators, x: Edge, sums: dict[Node, int]) -> Previous:
    """Return the junction whose sum becomes x.

    A new stream begins where no junction comes before x, or a weight layer stands in between.

    Args:
        graph: the graph of the forward pass.
        dominators: the dominators of the graph; its marks are those of `layer_marks`.
        x: the edge of x_l.
        sums: the numbers of the known junctions, by the nodes of their sums.
    """
    value: Edge | None = x
    while value is not None:
        if value[0] in sums:
            return Previous(sums[value[0]], graph.between([x], value))
        if dominators.marks(value) & WEIGHT_LAYER:
            break
        value = dominators.nearest(value)
    return Previous(None, ())
