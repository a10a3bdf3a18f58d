"""Following the stream back from one junction to the one before it."""

from resunit.propagation.detect.graph import Edge, Graph, Node, is_weight


def find_previous(graph: Graph, x: Edge, sums: dict[Node, int]) -> tuple[int, tuple[Node, ...]] | None:
    """Return the number of the junction whose sum becomes x, and the nodes between the sum and x.

    Returns None where a new stream begins: no junction comes before x, or a weight layer stands in between.

    Args:
        graph: the graph of the forward pass.
        x: the edge of x_l.
        sums: the numbers of the known junctions, by the nodes of their sums.
    """
    for node, between in graph.bottlenecks(x):
        if any(is_weight(parameter) for passed in between for parameter in graph.parameters[passed]):
            return None
        if node in sums:
            return sums[node], tuple(between)
    return None
