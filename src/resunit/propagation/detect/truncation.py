"""Finding the activation after an addition that sets negative values to zero."""

from collections.abc import Collection

from resunit.propagation.detect.found_junction import Truncation
from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.recorder import ForwardRecorder

# The nodes of activations that set negative values to zero, if what an attribute holds is zero: mostly a bound.
BOUNDS = {
    "Relu": None,
    "Threshold": "_saved_threshold",
    "Hardtanh": "_saved_min_val",
    "Clamp": "_saved_min",
    "ClampMin": "_saved_min",
    "LeakyRelu": "_saved_negative_slope",
}


def find_truncation(
    graph: Graph, recorder: ForwardRecorder, sum_node: Node, within: Collection[Node]
) -> Truncation | None:
    """Return the activation that the sum goes through, if nothing else uses the sum.

    A normalisation may stand between the sum and the activation.

    Args:
        graph: the graph of the forward pass.
        recorder: what the forward pass showed.
        sum_node: the node of the sum y_l.
        within: the nodes that may hold the activation.
    """
    edge: Edge = (sum_node, 0)
    while len(users := graph.users_of_edge[edge]) == 1 and len(graph.children[users[0]]) == 1:
        edge = (users[0], 0)
        if users[0] not in within:
            return None
        if truncates(recorder, users[0]):
            taken = graph.children[users[0]][0]
            takes_sum = taken[0] is sum_node
            input = None if takes_sum else recorder.location_of(taken)
            output = recorder.location_of(edge)
            if output is None or (input is None and not takes_sum):
                return None
            return Truncation(input, output)
        if "Norm" not in operation_of(users[0]):
            return None
    return None


def truncates(recorder: ForwardRecorder, node: Node) -> bool:
    """Return whether an activation sets to zero the negative values, and no others below its upper bound."""
    name = operation_of(node)
    is_known = name in BOUNDS and ((attribute := BOUNDS[name]) is None or getattr(node, attribute) == 0)
    return is_known or node in recorder.rectifiers
