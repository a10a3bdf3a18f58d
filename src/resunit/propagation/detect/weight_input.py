"""Finding the input of a branch's first weight layer."""

from resunit.propagation.detect.found_junction import WeightInput
from resunit.propagation.detect.graph import Edge, Graph, Node, is_weight, operation_of
from resunit.propagation.detect.recorder import ForwardRecorder

# These operations keep every value and the last dimensions, from whose end the channels are counted.
KEEPS_CHANNELS = ("Clone", "ToCopy", "Alias", "View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze")


def find_weight_input(graph: Graph, recorder: ForwardRecorder, layer: Node, x: Edge) -> WeightInput | None:
    """Return where the first convolution or linear layer of a branch takes its input.

    Returns None if no call returned the input.

    Args:
        graph: the graph of the forward pass.
        recorder: what the forward pass showed.
        layer: the node of the layer.
        x: the edge that the branch is computed from.
    """
    edge = graph.children[layer][0]
    location = recorder.location_of(edge)
    while location is None and edge != x and operation_of(edge[0]) in KEEPS_CHANNELS:
        edge = graph.children[edge[0]][0]
        location = recorder.location_of(edge)
    # The weight of a convolution has as many dimensions as a batch of images; a linear layer maps the last.
    weights = [parameter for parameter in graph.parameters[layer] if is_weight(parameter)]
    return None if location is None else WeightInput(location, 1 - max(2, weights[0].dim()))
