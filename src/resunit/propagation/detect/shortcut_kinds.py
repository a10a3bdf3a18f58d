"""Deciding whether an addition is a junction h(x) + F(x), and of which kind its shortcut h is.

    identity    h(x) is x
    scale       x times numbers, constant or learned, that do not depend on x: Eq. (6)
    gate        x times a sigmoid-like function of x (section 3.1)
    projection  an affine map of x with weights, where F is more than that
    operations  any other chain of operations without parameters: subsampling, dropout, ...

x is the nearest value on the chain of h that F is computed from as well. F has a layer on its way from x:
a weight that mixes channels or positions, a normalisation with parameters, or a custom autograd function.
Element-wise parameters alone make no branch. So token shift, learned activations, rotary embeddings, masks
and relative positions are no junctions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import (
    KEEPS_VALUES,
    SIGMOID_LIKE,
    is_custom,
    is_nonlinear,
    keeps_values,
    mixes,
)
from resunit.propagation.detect.reach import NONLINEAR, WEIGHT, WEIGHTS
from resunit.propagation.junction import ShortcutKind

# If both addends could be the shortcut, the one whose kind comes first here is.
PRECEDENCE: tuple[ShortcutKind, ...] = ("identity", "scale", "operations", "gate", "projection")

AFFINE_OF_A_GATE = ("Rsub", "Sub", "Neg", "Mul", "Div", "Add", "Expand", "Sum", "Mean", "Select", "Slice")


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


class Fork(NamedTuple):
    """A value that may be x_l: something else than the shortcut uses it as well.

    Attributes:
        x: the edge of the value.
        nodes: the nodes of the chain from x to the addition, those nearest to the addition first.
        gated: whether the chain holds a gate.
    """

    x: Edge
    nodes: tuple[Node, ...]
    gated: bool


def forks_on_chain(graph: Graph, addend: Edge) -> Iterator[Fork]:
    """Yield the values that may be x_l if `addend` is the shortcut, nearest first.

    They lie on the chain of operations that ends in the addend, or on a chain behind a gate.
    """
    nodes: list[Node] = []
    edge, is_scaled = addend, True
    while True:
        if graph.is_fork(edge):
            yield Fork(edge, tuple(nodes), False)
        node = edge[0]
        if len(graph.children[node]) != 1:
            break
        is_scaled = is_scaled and scales(graph, node)
        nodes.append(node)
        edge = graph.children[node][0]
    if is_scaled and operation_of(edge[0]) == "Mul" and len(graph.children[edge[0]]) == 2:
        yield from _forks_behind_gate(graph, edge[0], (*nodes, edge[0]))


def _forks_behind_gate(graph: Graph, product: Node, nodes: tuple[Node, ...]) -> Iterator[Fork]:
    for index in (0, 1):
        edge, gate = graph.children[product][index], graph.children[product][1 - index]
        while True:
            if graph.is_fork(edge) and _is_sigmoid_like(graph, gate, edge):
                yield Fork(edge, nodes, True)
            node = edge[0]
            if len(graph.children[node]) != 1 or graph.parameters[node]:
                break
            nodes = (*nodes, node)
            edge = graph.children[node][0]


def kind_of_chain(
    graph: Graph, nodes: tuple[Node, ...], branch: int, is_smaller: Callable[[Node], bool]
) -> ShortcutKind | None:
    """Return the kind of a shortcut that is a chain, or None if it is no shortcut beside this branch.

    Args:
        graph: the graph of the forward pass.
        nodes: the nodes of the chain.
        branch: what lies on the ways from x to the other addend, see `Reach`.
        is_smaller: whether a node has fewer weights than the branch.
    """
    if all(keeps_values(graph, node) for node in nodes):
        return "identity"
    if all(scales(graph, node) for node in nodes):
        return "scale"
    if not any(graph.parameters[node] or is_custom(node) for node in nodes):
        return "operations"
    weights = [node for node in nodes if mixes(graph, node)]
    if any(is_nonlinear(graph, node) for node in nodes):
        is_deeper = branch & WEIGHTS and branch & NONLINEAR
        return "projection" if len(weights) <= 1 and is_deeper else None
    if branch & NONLINEAR or (not weights and branch & WEIGHT):
        return "projection"
    # Two affine maps of one value are one affine map, as of a weight and its low-rank update. The smaller one
    # of two weights may still be meant as the shortcut.
    is_single = len(weights) == 1 and branch & WEIGHT and not branch & WEIGHTS
    return "projection" if is_single and is_smaller(weights[0]) else None


def scales(graph: Graph, node: Node) -> bool:
    """Return whether a node of a chain keeps its input, or multiplies it by one constant or by parameters."""
    name = operation_of(node)
    if keeps_values(graph, node) or name == "Neg":
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


def _is_sigmoid_like(graph: Graph, edge: Edge, x: Edge) -> bool:
    while edge != x:
        name, children = operation_of(edge[0]), graph.children[edge[0]]
        if name in SIGMOID_LIKE:
            return True
        if name not in (*AFFINE_OF_A_GATE, *KEEPS_VALUES) or len(children) != 1:
            return False
        edge = children[0]
    return False
