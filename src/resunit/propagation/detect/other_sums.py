"""Leaving out sums that join other things than x and its branch: contexts, shifts, arguments of gates, two streams."""

import math
from collections.abc import Callable, Sequence

from resunit.propagation.detect.dominators import Dominators, PostDominators
from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.layers import AFFINE_OF_A_GATE, is_nonlinear, keeps_values
from resunit.propagation.detect.ranges import Ranges
from resunit.propagation.detect.shortcut_kinds import TAKES_PART, scales
from resunit.propagation.detect.splitting import ShortcutAndBranch


def without_contexts(
    graph: Graph, dominators: Dominators, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out the only addition within the branch of another junction, if what it adds is broadcast.

    It acts like a bias that depends on the input (Cao et al. 2019: "GCNet"), and is a part of that branch.
    """
    broadcast = [junction for junction in joined if _is_broadcast(junction)]
    if not broadcast:
        return joined
    post_dominators = PostDominators(graph)

    def is_within(inner: JoinedAddition, outer: JoinedAddition) -> bool:
        value = (inner.sum, 0)
        return (
            graph.rank[outer.paths.shortcut.x[0]] < graph.rank[inner.sum] < graph.rank[outer.sum]
            and dominators.dominates(outer.paths.shortcut.x, value)
            and post_dominators.post_dominates(outer.sum, value)
            and inner.sum not in outer.paths.shortcut.nodes
        )

    def is_context(junction: JoinedAddition) -> bool:
        around = [outer for outer in joined if is_within(junction, outer)]
        if not around:
            return False
        nearest = min(around, key=lambda outer: graph.rank[outer.sum])
        return not any(other is not junction and is_within(other, nearest) for other in joined)

    contexts = {id(junction) for junction in broadcast if is_context(junction)}
    return [junction for junction in joined if id(junction) not in contexts]


def without_arguments_of_gates(
    graph: Graph, ranges: Ranges, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out a sum of two maps that nothing takes but gates, as in sigmoid(W y + U x) z.

    It goes on as a factor, and not as a stream (Cho et al. 2014: the gates of the GRU). Further layers may stand before
    the sigmoid (Oktay et al. 2018: "Attention U-Net").
    """
    return [
        junction
        for junction in joined
        if junction.paths.shortcut.kind != "projection"
        or not _goes_into_gates(graph, ranges, (junction.sum, 0))
    ]


def without_shifts(
    graph: Graph, dominators: Dominators, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out a shift that comes with a factor, as b(c) in a(c) v + b(c) or (1 + a) v + b.

    Both are made of a condition c, which modulates another value v (Perez et al. 2018: "FiLM"; the norms of Peebles and
    Xie 2023: "DiT"). So c is no stream, and a(c) v is no branch of it.
    """

    def is_shift(junction: JoinedAddition) -> bool:
        paths = junction.paths
        return _may_begin_stream(paths) and all(
            _is_modulated(graph, dominators, edge, paths.shortcut.x) for edge in paths.branch
        )

    return [junction for junction in joined if not is_shift(junction)]


def _is_modulated(graph: Graph, dominators: Dominators, value: Edge, by: Edge) -> bool:
    """Return whether a value is a product of a factor made of `by` and of something else.

    The factor is an affine map of `by`, or a function of `by` alone where the other one is none. In squeeze and
    excitation it is neither: there both factors are functions of x, and a sigmoid bounds the one that is smaller.
    """
    node = value[0]
    while len(children := graph.children[node]) == 1 and scales(graph, node):
        node = children[0][0]
    if operation_of(node) != "Mul" or len(children) != 2:
        return False
    one, other = (dominators.dominates(by, edge) for edge in children)
    return one != other or any(_is_affine(graph, edge, by) for edge in children)


def _is_affine(graph: Graph, value: Edge, of: Edge) -> bool:
    while value != of:
        children = graph.children[value[0]]
        if len(children) != 1 or is_nonlinear(graph, value[0]):
            return False
        value = children[0]
    return True


def _may_begin_stream(paths: ShortcutAndBranch) -> bool:
    """Return whether the shortcut may be the beginning of another stream: an affine map of x, or a part of x."""
    takes_part = any(operation_of(node) in TAKES_PART for node in paths.shortcut.nodes)
    return paths.shortcut.kind == "projection" or (paths.shortcut.kind == "operations" and takes_part)


def sums_of_streams(
    graph: Graph, dominators: Dominators, joined: Sequence[JoinedAddition]
) -> Callable[[ShortcutAndBranch, Node], bool]:
    """Return a function that says of a sum whether it joins an affine map or a part of x and another stream.

    The other term is read from the sum of a junction. That one's stream goes on elsewhere, or has begun before x,
    which is a value within its branch. So it is no branch of x, and what is made of x begins another stream (Han et al.
    2021: "Transformer in Transformer"; the skips of WaveNet, van den Oord et al. 2016), or is an input that each step
    of a loop takes once more.

    Args:
        graph: the graph of the forward pass.
        dominators: the dominators of the graph.
        joined: its junctions.
    """
    post_dominators: list[PostDominators] = []

    def goes_on(paths: ShortcutAndBranch, sum_node: Node, inner: JoinedAddition) -> bool:
        value = (inner.sum, 0)
        if not all(dominators.dominates(value, edge) for edge in paths.branch):
            return False
        if not post_dominators:
            post_dominators.append(PostDominators(graph))
        return not post_dominators[0].post_dominates(sum_node, value)

    def reads(paths: ShortcutAndBranch, sum_node: Node, inner: JoinedAddition) -> bool:
        x = paths.shortcut.x
        if not graph.rank[x[0]] < graph.rank[inner.sum] < graph.rank[sum_node]:
            return False
        if graph.rank[inner.paths.shortcut.x[0]] < graph.rank[x[0]]:  # That stream has begun before x.
            return _depends(graph, [(inner.sum, 0)], x) and _depends(graph, paths.branch, (inner.sum, 0))
        return paths.shortcut.kind == "projection" and goes_on(paths, sum_node, inner)

    def joins_streams(paths: ShortcutAndBranch, sum_node: Node) -> bool:
        return _may_begin_stream(paths) and any(reads(paths, sum_node, inner) for inner in joined)

    return joins_streams


def _depends(graph: Graph, values: Sequence[Edge], on: Edge) -> bool:
    """Return whether one of some values is computed from another one."""
    seen: set[Node] = set()
    waiting = list(values)
    while waiting:
        edge = waiting.pop()
        if edge == on:
            return True
        if edge[0] not in seen and graph.rank[edge[0]] > graph.rank[on[0]]:
            seen.add(edge[0])
            waiting += graph.children[edge[0]]
    return False


def _goes_into_gates(graph: Graph, ranges: Ranges, value: Edge) -> bool:
    """Return whether everything that is computed from a value becomes a bounded factor of another value."""

    def is_gate_still(node: Node) -> bool:
        """Return whether an operation on a gate leaves it a gate: 1 - T, a part, the same elements elsewhere."""
        return keeps_values(graph, node) or operation_of(node) in (*AFFINE_OF_A_GATE, *TAKES_PART)

    waiting: list[tuple[Node, bool]] = [(value[0], False)]
    seen: set[tuple[Node, bool]] = set()
    while waiting:
        node, is_gate = waiting.pop()
        if (node, is_gate) in seen:
            continue
        seen.add((node, is_gate))
        if not graph.users[node]:
            return False
        for user in graph.users[node]:
            if len(graph.children[user]) > 1:
                if not (is_gate and operation_of(user) == "Mul"):
                    return False
            elif is_gate and not is_gate_still(user):
                waiting.append((user, ranges.of((user, 0)).is_bounded))
            else:
                waiting.append((user, is_gate or ranges.of((user, 0)).is_bounded))
    return True


def _is_broadcast(junction: JoinedAddition) -> bool:
    """Return whether the branch has fewer elements than the sum."""
    size = math.prod(junction.addition.shape)
    return all(math.prod(node._input_metadata[output].shape) < size for node, output in junction.paths.branch)
