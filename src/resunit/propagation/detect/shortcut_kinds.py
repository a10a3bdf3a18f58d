"""Deciding whether an addition is a junction h(x) + F(x), and of which kind its shortcut h is.

    identity    h(x) is x
    scale       x times numbers, constant or learned, that do not depend on x: Eq. (6)
    gate        x times a sigmoid-like function of x (section 3.1)
    projection  an affine map of x with weights, where F is more than that
    operations  any other operations without parameters: subsampling, dropout, x and a blurred x in sum, ...

x is the nearest value on the way back from h that F is computed from as well; h is a function of x alone. F has
a layer on its way from x: a weight that mixes channels or positions, a normalisation with parameters, or a
custom autograd function. Element-wise parameters alone make no branch. So token shift, learned activations,
rotary embeddings, masks and relative positions are no junctions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from resunit.propagation.detect.dominators import Dominators
from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import (
    AFFINE_OF_A_GATE,
    KEEPS_VALUES,
    LAYER,
    is_custom,
    is_layer,
    is_nonlinear,
    keeps_values,
    mixes,
)
from resunit.propagation.detect.ranges import Ranges
from resunit.propagation.detect.reach import NONLINEAR, WEIGHT, WEIGHTS
from resunit.propagation.junction import ShortcutKind

# If both addends could be the shortcut, the one whose kind comes first here is.
PRECEDENCE: tuple[ShortcutKind, ...] = ("identity", "scale", "operations", "gate", "projection")

TAKES_PART = ("Select", "Slice", "Split", "SplitWithSizes", "Narrow", "Unbind")

# These may stand between a gate and the addition: masks, and what puts a value into places of zeros.
BESIDE_A_GATE = ("Mul", "Div", "IndexAdd", "ScatterAdd", "IndexPut", "Put")

# The walk back from an addend goes on this often behind a value that is computed in several ways. Otherwise a
# network of many additions without layers, such as a solver's steps, would cost the square of their number.
MOST_TIMES_PARTED = 8


@dataclass(frozen=True)
class Shortcut:
    """The shortcut h.

    Attributes:
        kind: what h is.
        x: the edge of x_l.
        nodes: the nodes of h, those nearest to the addition first.
        end: the edge of h(x); of its simplest part, if several calls add parts of h.
    """

    kind: ShortcutKind
    x: Edge
    nodes: tuple[Node, ...]
    end: Edge


class Fork(NamedTuple):
    """A value that may be x_l: something else than the shortcut uses it as well.

    Attributes:
        x: the edge of the value.
        nodes: the nodes between x and the addition, those nearest to the addition first.
        gated: whether they hold a gate.
    """

    x: Edge
    nodes: tuple[Node, ...]
    gated: bool


def forks_before(graph: Graph, dominators: Dominators, ranges: Ranges, addend: Edge) -> Iterator[Fork]:
    """Yield the values that may be x_l if `addend` is the shortcut, nearest first.

    They lie on the chain of operations that ends in the addend, or on a chain behind a gate. Where the chain
    parts into several ways without a layer on any, as in 0.5 x + 0.5 roll(x), it goes on where they all begin.
    """
    nodes: list[Node] = []
    edge, is_scaled, times_parted = addend, True, 0
    while True:
        if graph.is_fork(edge):
            yield Fork(edge, tuple(nodes), False)
        node = edge[0]
        children = graph.children[node]
        if len(children) == 1:
            is_scaled = is_scaled and (scales(graph, node) or operation_of(node) in BESIDE_A_GATE)
            nodes.append(node)
            edge = children[0]
            continue
        if is_scaled and operation_of(node) == "Mul" and len(children) == 2:
            yield from _forks_behind_gate(graph, ranges, node, (*nodes, node))
        beginning = dominators.nearest(edge)
        times_parted += 1
        if beginning is None or dominators.marks(edge) & LAYER or times_parted > MOST_TIMES_PARTED:
            return
        nodes += graph.between([edge], beginning)
        edge, is_scaled = beginning, False


def _forks_behind_gate(
    graph: Graph, ranges: Ranges, product: Node, nodes: tuple[Node, ...]
) -> Iterator[Fork]:
    for index in (0, 1):
        edge, gate = graph.children[product][index], graph.children[product][1 - index]
        while True:
            if graph.is_fork(edge) and _is_gate(graph, ranges, gate, edge):
                yield Fork(edge, nodes, True)
            node = edge[0]
            if len(graph.children[node]) != 1 or graph.parameters[node]:
                break
            nodes = (*nodes, node)
            edge = graph.children[node][0]


def kind_of_shortcut(
    graph: Graph, nodes: tuple[Node, ...], branch: int, is_smaller: Callable[[Node], bool]
) -> ShortcutKind | None:
    """Return the kind of a shortcut, or None if it is no shortcut beside this branch.

    Args:
        graph: the graph of the forward pass.
        nodes: the nodes of the shortcut.
        branch: what lies on the ways from x to the other addend, see `Reach`.
        is_smaller: whether a node has fewer weights than the branch.
    """
    if all(keeps_values(graph, node) for node in nodes):
        return "identity"
    if all(scales(graph, node) for node in nodes):
        return "identity" if _constant_multiple(graph, nodes) == 1 else "scale"
    if not any(graph.parameters[node] or is_custom(node) for node in nodes):
        return "operations"
    weights = [node for node in nodes if mixes(graph, node)]
    if not weights and branch & WEIGHT:
        return "projection"
    if any(is_nonlinear(graph, node) for node in nodes):
        is_deeper = branch & WEIGHTS and branch & NONLINEAR
        return "projection" if len(weights) <= 1 and is_deeper else None
    if branch & NONLINEAR:
        return "projection"
    # Two affine maps of one value are one affine map, as of a weight and its low-rank update. The smaller one
    # of two weights may still be meant as the shortcut.
    is_single = len(weights) == 1 and branch & WEIGHT and not branch & WEIGHTS
    return "projection" if is_single and is_smaller(weights[0]) else None


def is_stream_of_its_own(graph: Graph, fork: Fork) -> bool:
    """Return whether an affine map of x is no projection shortcut, because it begins another stream.

    Something else than the addition takes what the map makes, as where patch embeddings are made of pixel
    embeddings and both go on. Or h takes one part of x, and everything else that takes x takes a part as
    well: two classifiers may take the class token and the other tokens.
    """
    own = set(fork.nodes)
    for node in fork.nodes:
        others = sum(user not in own for user in graph.users[node])
        if others > (node is fork.nodes[0]):  # The addition takes the first one.
            return True
        if mixes(graph, node):
            break
    first = fork.nodes[-1]
    others = [user for user in graph.users_of_edge[fork.x] if user is not first]
    return all(operation_of(user) in TAKES_PART for user in (first, *others))


def has_no_layer(graph: Graph, nodes: Iterable[Node]) -> bool:
    """Return whether no layer is among some nodes."""
    return not any(is_layer(graph, node) for node in nodes)


def scales(graph: Graph, node: Node) -> bool:
    """Return whether a node of a shortcut keeps its input, or multiplies it by constants or by parameters."""
    name = operation_of(node)
    if keeps_values(graph, node) or name == "Neg":
        return True
    if len(graph.children[node]) > 1:
        return name in ("Add", "Sub")  # of two multiples of one value
    if name not in ("Mul", "Div"):
        return False
    if graph.parameters[node]:
        return True
    is_first = node.next_functions[0][0] in graph
    try:
        factor = node._saved_other if is_first else node._saved_self
    except RuntimeError:  # The factor was changed in place after the product.
        return False
    if isinstance(factor, float | int):
        return True
    # A factor that is zero somewhere is a mask.
    return factor is not None and (factor.numel() == 1 or (type(factor) is Tensor and bool(factor.all())))


def _constant_multiple(graph: Graph, nodes: Sequence[Node]) -> float | None:
    """Return the number by which the nodes of a shortcut multiply x, as 1 for 0.5 x + 0.5 x; None if no single one."""
    factors: dict[Node, float] = {}
    for node in reversed(nodes):
        taken = [factors.get(child, 1.0) for child, _ in graph.children[node]]
        own = 1.0 if keeps_values(graph, node) else _own_factor(graph, node)
        if own is None:
            return None
        sign = -1.0 if operation_of(node) == "Sub" else 1.0
        factors[node] = own * (taken[0] if len(taken) == 1 else taken[0] + sign * taken[1])
    return factors[nodes[0]]


def _own_factor(graph: Graph, node: Node) -> float | None:
    """Return the constant that a node of a shortcut multiplies by; None for a parameter, or for several numbers."""
    name = operation_of(node)
    if name in ("Add", "Sub"):
        return 1.0
    if name == "Neg":
        return -1.0
    if graph.parameters[node]:
        return None
    factor = node._saved_other if node.next_functions[0][0] in graph else node._saved_self
    if isinstance(factor, Tensor):
        if factor.numel() != 1:
            return None
        factor = factor.item()
    if name == "Div":
        return 1 / factor if factor and node.next_functions[0][0] in graph else None
    return float(factor)


def _is_gate(graph: Graph, ranges: Ranges, edge: Edge, x: Edge) -> bool:
    """Return whether a factor is bounded, as a function of sigmoid's kind is, or an affine map of what is."""
    while edge != x:
        name, children = operation_of(edge[0]), graph.children[edge[0]]
        if ranges.of(edge).is_bounded:
            return True
        if name not in (*AFFINE_OF_A_GATE, *KEEPS_VALUES) or len(children) != 1:
            return False
        edge = children[0]
    return False
