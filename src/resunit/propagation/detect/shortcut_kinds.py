"""Deciding whether an addition is a junction h(x) + F(x), and of which kind its shortcut h is.

    identity    h(x) is x
    scale       x times numbers, constant or learned, that do not depend on x: Eq. (6)
    gate        x times a sigmoid-like function of x (section 3.1)
    projection  an affine map of x with weights, smaller than the branch
    operations  any other chain of operations without parameters: subsampling, dropout, ...

The branch F has parameters. Additions in which no addend has parameters, such as those of rotary embeddings
and of masks, are no junctions.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.autograd.function import BackwardCFunction

from resunit.propagation.detect.graph import Edge, Graph, Node, Subgraph, is_weight, operation_of
from resunit.propagation.junction import ShortcutKind

# If both addends could be the shortcut, the one whose kind comes first here is.
PRECEDENCE: tuple[ShortcutKind, ...] = ("identity", "scale", "operations", "gate", "projection")

# These operations change where elements are kept or in which precision, and keep every value at its position.
KEEPS_VALUES = (
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
    """The shortcut h.

    Attributes:
        kind: what h is.
        x: the edge of x_l.
        nodes: the nodes of h, those nearest to the addition first.
    """

    kind: ShortcutKind
    x: Edge
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class ShortcutAndBranch:
    """The two paths of an addition that is a junction.

    Attributes:
        shortcut: the shortcut h.
        shortcut_index: which addend is the shortcut, 0 or 1.
        subgraphs: the part of the graph between x and each addend.
    """

    shortcut: Shortcut
    shortcut_index: int
    subgraphs: tuple[Subgraph, Subgraph]

    @property
    def branch(self) -> Subgraph:
        """The part of the graph that F consists of."""
        return self.subgraphs[1 - self.shortcut_index]


def split_addition(graph: Graph, first: list[Edge], second: list[Edge]) -> ShortcutAndBranch | None:
    """Return the shortcut and the branch of an addition, or None if it is no junction.

    Args:
        graph: the graph of the forward pass.
        first: the edges of the first addend.
        second: the edges of the second addend.
    """
    for x, *subgraphs in graph.common_origins(first, second):
        candidates = [
            (shortcut, index)
            for index in (0, 1)
            if subgraphs[index].depends_on_x_alone
            and (shortcut := _shortcut(graph, subgraphs[index], subgraphs[1 - index], x)) is not None
        ]
        if candidates:
            shortcut, index = min(candidates, key=lambda pair: PRECEDENCE.index(pair[0].kind))
            return ShortcutAndBranch(shortcut, index, (subgraphs[0], subgraphs[1]))
        if subgraphs[0].depends_on_x_alone and subgraphs[1].depends_on_x_alone:
            return None  # Both are functions of this value alone, and so also of all values before it.
    return None


def _shortcut(graph: Graph, path: Subgraph, other: Subgraph, x: Edge) -> Shortcut | None:
    """Return `path` as a shortcut with `other` as its branch, or None if it is none."""
    if not has_parameters(graph, other):
        return None
    nodes = tuple(path.nodes)
    is_chain = _is_chain(graph, path)
    if is_chain and all(_keeps_values(graph, node) for node in nodes):
        return Shortcut("identity", x, nodes)
    if is_chain and all(_scales(graph, node) for node in nodes):
        return Shortcut("scale", x, nodes)
    if is_chain and not has_parameters(graph, path):
        return Shortcut("operations", x, nodes)
    if _is_gated(graph, path, x):
        return Shortcut("gate", x, nodes)
    if is_chain and _is_smaller_affine_map(graph, path, other):
        return Shortcut("projection", x, nodes)
    return None


def has_parameters(graph: Graph, path: Subgraph) -> bool:
    """Return whether parameters, or custom autograd functions that may hide some, take part in a path."""
    return bool(path.parameters) or any(
        graph.parameters[node] or isinstance(node, BackwardCFunction) for node in path.nodes
    )


def _keeps_values(graph: Graph, node: Node) -> bool:
    return operation_of(node) in KEEPS_VALUES or node in graph.unchanged


def _is_chain(graph: Graph, path: Subgraph) -> bool:
    return len(path.edges) == 1 and all(len(graph.children[node]) == 1 for node in path.nodes)


def _scales(graph: Graph, node: Node) -> bool:
    """Return whether a node of a chain keeps its input, or multiplies it by one constant or by parameters."""
    name = operation_of(node)
    if _keeps_values(graph, node) or name == "Neg":
        return True
    if name not in ("Mul", "Div"):
        return False
    if graph.parameters[node]:
        return True
    is_first = node.next_functions[0][0] in graph
    try:
        factor = node._saved_other if is_first else node._saved_self
    except RuntimeError:  # The factor was changed in place after the product.
        return False
    return factor is not None and factor.numel() == 1  # A factor of more elements is a mask.


def _is_gated(graph: Graph, path: Subgraph, x: Edge) -> bool:
    """Return whether a path is a chain from x, times an affine function of something sigmoid-like."""
    if len(path.edges) != 1:
        return False
    node, _ = edge = path.edges[0]
    while len(graph.children[node]) == 1 and edge != x:
        if not _scales(graph, node):
            return False
        node, _ = edge = graph.children[node][0]
    if operation_of(node) != "Mul" or edge == x:
        return False
    factors = graph.children[node]
    return len(factors) == 2 and any(
        _leads_to(graph, factors[i], x) and _is_sigmoid_like(graph, factors[1 - i], x) for i in (0, 1)
    )


def _leads_to(graph: Graph, edge: Edge, x: Edge) -> bool:
    """Return whether a chain without parameters leads from `edge` back to x."""
    while edge != x:
        children = graph.children[edge[0]]
        if len(children) != 1 or graph.parameters[edge[0]]:
            return False
        edge = children[0]
    return True


def _is_sigmoid_like(graph: Graph, edge: Edge, x: Edge) -> bool:
    while edge != x:
        name, children = operation_of(edge[0]), graph.children[edge[0]]
        if name in SIGMOID_LIKE:
            return True
        if name not in (*AFFINE_OF_A_GATE, *KEEPS_VALUES) or len(children) != 1:
            return False
        edge = children[0]
    return False


def _is_smaller_affine_map(graph: Graph, path: Subgraph, other: Subgraph) -> bool:
    """Return whether a path has no nonlinearity and fewer weights than the other path."""
    if any(word in operation_of(node) for node in path.nodes for word in NONLINEAR):
        return False
    own, others = _weight_sizes(graph, path), _weight_sizes(graph, other)
    has_no_more = len(own) <= len(others) and sum(own) <= sum(others)
    return has_no_more and (len(own), sum(own)) != (len(others), sum(others))


def _weight_sizes(graph: Graph, path: Subgraph) -> list[int]:
    """Return the number of elements of each weight of a path."""
    parameters = [*path.parameters, *(p for node in path.nodes for p in graph.parameters[node])]
    weights: dict[int, Tensor] = {
        id(parameter): parameter for parameter in parameters if is_weight(parameter)
    }
    return [weight.numel() for weight in weights.values()]
