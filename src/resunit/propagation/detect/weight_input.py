"""Finding the input of a branch's first weight layer."""

from collections.abc import Sequence
from typing import NamedTuple

from resunit.propagation.detect.found_junction import WeightInput
from resunit.propagation.detect.graph import Edge, Graph, Node, is_weight, operation_of
from resunit.propagation.detect.layers import is_weight_layer
from resunit.propagation.detect.recorder import ForwardRecorder

# These operations keep every value and the last dimensions, from whose end the channels are counted.
KEEPS_CHANNELS = ("Clone", "ToCopy", "Alias", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze")


class _Layer(NamedTuple):
    node: Node
    dimensions: int  # of its weight


def find_weight_input(
    graph: Graph, recorder: ForwardRecorder, branch: Sequence[Node], x: Edge
) -> WeightInput | None:
    """Return where the first convolution or linear layer of a branch takes its input.

    Returns None if the branch has no such layer, or if no call returned the input.

    Args:
        graph: the graph of the forward pass.
        recorder: what the forward pass showed.
        branch: the nodes from x_l to F, those nearest to x_l first.
        x: the edge of x_l.
    """
    layer = _first_layer(graph, branch)
    if layer is None:
        return None
    edge = graph.children[layer.node][0]
    location = recorder.location_of(edge)
    while location is None and edge != x and operation_of(edge[0]) in KEEPS_CHANNELS:
        edge = graph.children[edge[0]][0]
        location = recorder.location_of(edge)
    # The weight of a convolution has as many dimensions as a batch of images; a linear layer maps the last.
    return None if location is None else WeightInput(location, 1 - layer.dimensions)


def _first_layer(graph: Graph, branch: Sequence[Node]) -> _Layer | None:
    for node in branch:
        if is_weight_layer(graph, node) and len(graph.children[node]) == 1:
            weights = [parameter for parameter in graph.parameters[node] if is_weight(parameter)]
            return _Layer(node, max(2, weights[0].dim()))
    return None
