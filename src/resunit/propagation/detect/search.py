"""Searching the recorded additions for junctions."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from resunit.propagation.detect.found_junction import AddingCall
from resunit.propagation.detect.graph import Graph, Node, operation_of
from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.layers import is_custom
from resunit.propagation.detect.other_sums import (
    sums_of_streams,
    without_arguments_of_gates,
    without_contexts,
    without_shifts,
)
from resunit.propagation.detect.ranges import Ranges
from resunit.propagation.detect.recorder import Addition, ForwardRecorder
from resunit.propagation.detect.shortcut_kinds import Shortcut
from resunit.propagation.detect.splitting import Join, ShortcutAndBranch, Splitter
from resunit.propagation.detect.stacks import SideBySide, find_sum, values_side_by_side

# A node that takes a part of a value by its index: one step of a sequence, for instance.
TAKES_STEP = "Select"
TAKES_STEPS = "Unbind"

# Parts of the names of nodes that add without a call that Python sees.
ADDING = ("Add", "Sub", "Lerp", "IndexAdd", "ScatterAdd", "ScatterReduce", "IndexReduce")
# The nodes that add one of the values that they take to a function of others, and its number: a bias is none of the
# parameters here, but a value.
ADDED_BY = {
    "Addmm": 0, "Baddbmm": 0, "Addbmm": 0, "Addmv": 0, "Addr": 0, "Addcmul": 0, "Addcdiv": 0, "Linear": 2,
    "Convolution": 2, "NativeLayerNorm": 2, "NativeBatchNorm": 2, "NativeGroupNorm": 2,
}  # fmt: skip
MOST_INPUTS = 6  # of a custom autograd function that are compared with each other


@dataclass(frozen=True)
class Junctions:
    """The junctions of a graph, in the order of the forward pass.

    Attributes:
        joined: the junctions.
        splitter: what split the additions of the graph.
        examined: the number of additions that were examined.
        unrecorded: the nodes that join a shortcut and a branch although no recorded call added them.
        stacked: the nodes that sum a shortcut and a branch, which were put side by side before.
        concatenated: how many values hold a shortcut without weights and a branch side by side that nothing sums, as
            in dense nets.
    """

    joined: tuple[JoinedAddition, ...]
    splitter: Splitter
    examined: int
    unrecorded: tuple[tuple[Node, ShortcutAndBranch], ...]
    stacked: tuple[Node, ...]
    concatenated: int


def find_junctions(recorder: ForwardRecorder, graph: Graph, *, hidden: bool = False) -> Junctions:
    """Return the junctions among the additions of a graph.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
        hidden: whether addends without gradients count as what they were computed from.
    """
    additions = list(_joins_of_additions(recorder, graph, hidden))
    others: list[tuple[Node, Join]] = []
    stacks: list[tuple[SideBySide, Join]] = []
    if not hidden:
        recorded = {join.sum for _, join in additions} | recorder.complex_sums.keys()
        others = [
            (node, join)
            for node in graph.children
            if node not in recorded and not recorder.is_step_over_time(node)
            for join in _joins_of(graph, node)
        ]
        stacks = [
            (value, Join(([one], [other])))
            for value in values_side_by_side(graph)
            if not recorder.is_step_over_time(value.node)
            for one, other in value.pairs()
        ]
    ranges = Ranges(graph, recorder.shifts)
    splitter = Splitter(graph, [join for _, join in (*additions, *others, *stacks)], ranges)
    joined = _without_partial_branches(graph, _join_in_order(splitter, additions))
    joined = without_contexts(graph, splitter.dominators, _without_recurrences(recorder, graph, joined))
    joined = without_shifts(graph, splitter.dominators, without_arguments_of_gates(graph, ranges, joined))
    joins_streams = sums_of_streams(graph, splitter.dominators, joined)
    joined = [junction for junction in joined if not joins_streams(junction.paths, junction.sum)]
    unrecorded = [(node, paths) for node, join in others if (paths := splitter.paths(join)) is not None]
    stacked, concatenated = _sums_of_stacks(splitter, stacks, joins_streams)
    return Junctions(tuple(joined), splitter, len(additions), tuple(unrecorded), stacked, concatenated)


def _joins_of_additions(
    recorder: ForwardRecorder, graph: Graph, hidden: bool
) -> Iterator[tuple[Addition, Join]]:
    """Yield the recorded additions that the loss depends on, with what each adds in the graph."""
    for addition in recorder.additions:
        node = node_of_sum(graph, addition)
        origins = addition.hidden if hidden else (None, None)
        addends = [
            edges if origin is None else list(origin.edges)
            for edges, origin in zip(addition.edges, origins, strict=True)
        ]
        if node is not None and all(addends):
            weighted = [origin is not None and origin.has_weight for origin in origins]
            yield (
                addition,
                Join((addends[0], addends[1]), node, (weighted[0], weighted[1]), addition.overwritten),
            )


def _join_in_order(splitter: Splitter, additions: Iterable[tuple[Addition, Join]]) -> list[JoinedAddition]:
    """Return the additions that are junctions; one that goes on with the sums of earlier ones takes them in."""
    joined: dict[int, JoinedAddition] = {}
    for addition, join in additions:
        paths = splitter.paths(join)
        if paths is None or not all(id(earlier) in joined for earlier in paths.before):
            continue
        before = [joined[id(earlier)] for earlier in paths.before]
        if all(splitter.is_one_sum(b.paths, j) for b, j in zip(before, paths.before, strict=True)):
            for earlier in paths.before:
                del joined[id(earlier)]
            own = AddingCall(addition.call, paths.roles, addition.overwritten)
            calls = (*(call for b in before for call in b.calls), own)
            joined[id(join)] = JoinedAddition(addition, paths, calls, join.sum)
        else:
            joined[id(join)] = _go_on_from(
                before[0], addition, join, paths.roles.index("sum"), splitter.graph
            )
    return list(joined.values())


def _go_on_from(
    first: JoinedAddition, addition: Addition, join: Join, index: int, graph: Graph
) -> JoinedAddition:
    """Return a second junction, whose x_l is the sum of the first: that sum replaced the x_l of the first.

    Args:
        first: the first junction.
        addition: the addition of the second.
        join: what that addition adds.
        index: which addend is the sum of the first.
        graph: the graph of the forward pass.
    """
    paths = ShortcutAndBranch(
        Shortcut("identity", (first.sum, 0), (), (first.sum, 0)),
        ("shortcut", "branch") if index == 0 else ("branch", "shortcut"),
        tuple(graph.resolve(join.addends[1 - index])),
    )
    call = AddingCall(addition.call, paths.roles, addition.overwritten)
    origin = first.sum if first.origin is None else first.origin
    return JoinedAddition(addition, paths, (call,), join.sum, origin)


def _sums_of_stacks(
    splitter: Splitter,
    stacks: Iterable[tuple[SideBySide, Join]],
    joins_streams: Callable[[ShortcutAndBranch, Node], bool],
) -> tuple[tuple[Node, ...], int]:
    """Return the nodes that sum a shortcut and a branch side by side, and how many such values nothing sums."""
    sums: dict[Node, list[Node | None]] = {}
    with_x: set[Node] = set()  # the values that hold a shortcut without weights
    for value, join in stacks:
        paths = splitter.paths(join)
        if paths is not None and not joins_streams(paths, value.node):
            pair = join.addends[0][0], join.addends[1][0]
            sums.setdefault(value.node, []).append(find_sum(splitter.graph, value, pair))
            if paths.shortcut.kind != "projection":
                with_x.add(value.node)
    found = dict.fromkeys(node for of_value in sums.values() for node in of_value if node is not None)
    return tuple(found), sum(not any(sums[node]) for node in with_x)


def node_of_sum(graph: Graph, addition: Addition) -> Node | None:
    """Return the node of a sum, or None if the loss does not depend on it."""
    if addition.sum in graph:
        return addition.sum
    below = [child for child, _ in addition.sum.next_functions if child is not None]
    # The sum was written into a view, and the loss takes what it is a view of.
    return below[0] if below and operation_of(below[0]) == "CopySlices" and below[0] in graph else None


def _without_partial_branches(graph: Graph, joined: list[JoinedAddition]) -> list[JoinedAddition]:
    """Leave out a sum G(x) + F(x) that goes into x + (G(x) + F(x)) alone: both branches together are F.

    A sum x + F(x) stays: it is a unit within a unit.
    """
    outer = {id(join.sum): join for join in joined}
    kept = []
    for junction in joined:
        users = graph.users_of_edge[junction.sum, 0]
        around = outer.get(id(users[0])) if len(users) == 1 else None
        is_branch = around is not None and (junction.sum, 0) in around.paths.branch
        is_unit = junction.paths.shortcut.kind in ("identity", "scale")
        has_same_x = around is not None and around.paths.shortcut.x == junction.paths.shortcut.x
        if is_unit or not is_branch or not has_same_x:
            kept.append(junction)
    return kept


def _without_recurrences(
    recorder: ForwardRecorder, graph: Graph, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out additions that one call of a module repeats for each step of a sequence.

    Their shortcuts are single steps of one value that has several: the state of a recurrence takes them in
    turn.
    """
    calls = (addition.call for addition in recorder.additions)
    repeated = Counter((call.module, call.module_call, call.function) for call in calls)

    def takes_step(node: Node) -> bool:
        if operation_of(node) != TAKES_STEP:
            return operation_of(node) == TAKES_STEPS
        users = graph.users_of_edge[graph.children[node][0]]
        return sum(operation_of(user) == TAKES_STEP for user in users) > 1

    def is_step(junction: JoinedAddition) -> bool:
        call = junction.addition.call
        return repeated[call.module, call.module_call, call.function] > 1 and any(
            map(takes_step, junction.paths.shortcut.nodes)
        )

    return [junction for junction in joined if not is_step(junction)]


def _joins_of(graph: Graph, node: Node) -> list[Join]:
    """Return the joins that a node may hide, of the values that it takes."""
    name, edges = operation_of(node), graph.children[node]
    if len(edges) < 2:
        return []
    if name in ADDED_BY:
        added, *_ = [node.next_functions[ADDED_BY[name]]]
        others = [edge for edge in edges if edge != added]
        return [Join(([added], [other])) for other in others] if added[0] in graph else []
    is_extreme = getattr(node, "_saved_reduce", "") in ("amax", "amin")
    if is_extreme or (not is_custom(node) and not any(part in name for part in ADDING)):
        return []
    pairs = itertools.combinations(edges[:MOST_INPUTS], 2)
    return [Join(([one], [other])) for one, other in pairs]
