"""What makes an addition a junction h(x) + F(x), and of which kind: read off the graph between it and x.

    identity    h(x) is x
    scale       x times numbers, constant or learned, that do not depend on x: Eq. (6)
    gate        x times a sigmoid-like function of x (section 3.1)
    projection  an affine map of x with weights, smaller than the branch
    operations  any other chain of operations without parameters: subsampling, dropout, ...

F has parameters; additions of which neither side has any (rotary embeddings, masks) are no junctions.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.autograd.function import BackwardCFunction

from resunit.propagation.detect.graph import Edge, Graph, Node, Side

Kind = Literal["identity", "scale", "gate", "projection", "operations"]
STRENGTH: tuple[Kind, ...] = ("identity", "scale", "operations", "gate", "projection")

# These change where elements are kept or in which precision, not which value stands at which position.
REARRANGES_NOTHING = (
    "Clone",
    "ToCopy",
    "Alias",
    "View",
    "UnsafeView",
    "ReshapeAlias",
    "Squeeze",
    "Unsqueeze",
)
SIGMOID_LIKE = ("Sigmoid", "Hardsigmoid", "Softmax", "Tanh")
AFFINE_OF_A_GATE = ("Rsub", "Sub", "Neg", "Mul", "Div", "Add", "Expand", "Sum", "Mean", "Select", "Slice")
NONLINEAR = (
    *SIGMOID_LIKE, "Relu", "Gelu", "Silu", "Elu", "Mish", "Prelu", "Threshold", "Softplus", "Hardtanh",
    "Hardswish", "Glu", "Attention", "Activation",
)  # fmt: skip


@dataclass(frozen=True)
class Shortcut:
    """h, from the addition back to x."""

    kind: Kind
    origin: Edge
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Meeting:
    """An addition as a junction: which of its terms is the shortcut, and the nodes of both sides."""

    shortcut: Shortcut
    term: int
    sides: tuple[Side, Side]


def operation(node: Node) -> str:
    """A node's name without autograd's decorations: "MulBackward0" is "Mul"."""
    return node.name().rsplit("::", 1)[-1].split("Backward")[0]


def junction(graph: Graph, first: list[Edge], second: list[Edge]) -> Meeting | None:
    """The addition of `first` and `second` as a junction, if it is one."""
    for origin, *sides in graph.meeting_points(first, second):
        found = [
            (shortcut, term)
            for term in (0, 1)
            if sides[term].closed
            and (shortcut := _shortcut(graph, sides[term], sides[1 - term], origin)) is not None
        ]
        if found:
            shortcut, term = min(found, key=lambda pair: STRENGTH.index(pair[0].kind))
            return Meeting(shortcut, term, (sides[0], sides[1]))
        if sides[0].closed and sides[1].closed:
            return None  # both are functions of this value alone, so also of all before it
    return None


def _shortcut(graph: Graph, side: Side, other: Side, origin: Edge) -> Shortcut | None:
    if not has_parameters(graph, other):
        return None
    nodes = tuple(side.nodes)
    chain = _is_chain(graph, side)
    if chain and all(_passes_on(graph, node) for node in nodes):
        return Shortcut("identity", origin, nodes)
    if chain and all(_scales(graph, node) for node in nodes):
        return Shortcut("scale", origin, nodes)
    if chain and not has_parameters(graph, side):
        return Shortcut("operations", origin, nodes)
    if _is_gated(graph, side, origin):
        return Shortcut("gate", origin, nodes)
    if chain and _is_smaller_affine_map(graph, side, other):
        return Shortcut("projection", origin, nodes)
    return None


def has_parameters(graph: Graph, side: Side) -> bool:
    """A custom autograd function counts as well: what it holds cannot be seen."""
    return bool(side.parameters) or any(
        graph.parameters[node] or isinstance(node, BackwardCFunction) for node in side.nodes
    )


def _passes_on(graph: Graph, node: Node) -> bool:
    return operation(node) in REARRANGES_NOTHING or node in graph.unchanged


def _is_chain(graph: Graph, side: Side) -> bool:
    return len(side.edges) == 1 and all(len(graph.children[node]) == 1 for node in side.nodes)


def _scales(graph: Graph, node: Node) -> bool:
    """Does a node of a chain multiply by one constant number, or by learned ones, if it does anything?"""
    name = operation(node)
    if _passes_on(graph, node) or name == "Neg":
        return True
    if name not in ("Mul", "Div"):
        return False
    if graph.parameters[node]:
        return True
    is_first = node.next_functions[0][0] in graph
    try:
        factor = node._saved_other if is_first else node._saved_self
    except RuntimeError:  # changed in place since
        return False
    return factor is not None and factor.numel() == 1  # else it is a mask


def _is_gated(graph: Graph, side: Side, origin: Edge) -> bool:
    """Is this side a chain from the origin, times an affine function of something sigmoid-like?"""
    if len(side.edges) != 1:
        return False
    node, _ = edge = side.edges[0]
    while len(graph.children[node]) == 1 and edge != origin:
        if not _scales(graph, node):
            return False
        node, _ = edge = graph.children[node][0]
    if operation(node) != "Mul" or edge == origin:
        return False
    factors = graph.children[node]
    return len(factors) == 2 and any(
        _reaches(graph, factors[i], origin) and _is_sigmoid_like(graph, factors[1 - i], origin)
        for i in (0, 1)
    )


def _reaches(graph: Graph, edge: Edge, origin: Edge) -> bool:
    """Does a chain without parameters lead from `edge` back to `origin`?"""
    while edge != origin:
        children = graph.children[edge[0]]
        if len(children) != 1 or graph.parameters[edge[0]]:
            return False
        edge = children[0]
    return True


def _is_sigmoid_like(graph: Graph, edge: Edge, origin: Edge) -> bool:
    while edge != origin:
        name, children = operation(edge[0]), graph.children[edge[0]]
        if name in SIGMOID_LIKE:
            return True
        if name not in (*AFFINE_OF_A_GATE, *REARRANGES_NOTHING) or len(children) != 1:
            return False
        edge = children[0]
    return False


def _is_smaller_affine_map(graph: Graph, side: Side, other: Side) -> bool:
    """Parameters on both sides: a projection if this one has no nonlinearity and fewer weights."""
    if any(word in operation(node) for node in side.nodes for word in NONLINEAR):
        return False
    mine, theirs = _weights(graph, side), _weights(graph, other)
    layers, size = (len(mine), sum(mine)), (len(theirs), sum(theirs))
    return layers[0] <= size[0] and layers[1] <= size[1] and layers != size


def _weights(graph: Graph, side: Side) -> list[int]:
    """The sizes of the side's weight tensors."""
    parameters = [*side.parameters, *(p for node in side.nodes for p in graph.parameters[node])]
    found: dict[int, Tensor] = {id(parameter): parameter for parameter in parameters if is_weight(parameter)}
    return [parameter.numel() for parameter in found.values()]


def is_weight(parameter: Tensor) -> bool:
    """Does it mix channels or positions? Biases and scales, however they are shaped, have one dimension."""
    return sum(size > 1 for size in parameter.shape) >= 2


def stream_before(
    graph: Graph, edge: Edge, additions: dict[Node, int]
) -> tuple[int, tuple[Node, ...]] | None:
    """The junction whose sum becomes the value at `edge`, and the nodes of f in between.

    None where a weight layer stands in between, or nothing precedes: a new stream begins. `additions` maps
    the nodes of the known junctions' sums to their number.
    """
    for node, passed in graph.way_back(edge):
        if any(is_weight(parameter) for done in passed for parameter in graph.parameters[done]):
            return None
        if node in additions:
            return additions[node], tuple(passed)
    return None
