"""Searching the recorded additions for junctions."""

import itertools
from collections import Counter
from dataclasses import dataclass, replace

from torch import Tensor

from resunit.propagation.detect.contexts import without_contexts
from resunit.propagation.detect.found_junction import EarlierCall
from resunit.propagation.detect.graph import Graph, Node, operation_of
from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.layers import is_custom
from resunit.propagation.detect.recorder import Addition, ForwardRecorder
from resunit.propagation.detect.shortcut_kinds import Shortcut
from resunit.propagation.detect.splitting import Join, ShortcutAndBranch, Splitter
from resunit.propagation.detect.stacks import SUMS_OF_A_STACK, stacked_and_summed

# A node that takes a part of a value by its index: one step of a sequence, for instance.
TAKES_STEP = "Select"
TAKES_STEPS = "Unbind"

# The nodes that add without a call that Python sees, and those that add up what was stacked before.
ADDING = ("Add", "Sub", "IndexAdd", "ScatterAdd", "IndexPut")
MOST_INPUTS = 6  # of a custom autograd function or a stack that are compared with each other


@dataclass(frozen=True)
class Junctions:
    """The junctions of a graph, in the order of the forward pass.

    Attributes:
        joined: the junctions.
        splitter: what split the additions of the graph.
        examined: the number of additions that were examined.
        unrecorded: the nodes that join a shortcut and a branch although no recorded call added them.
    """

    joined: tuple[JoinedAddition, ...]
    splitter: Splitter
    examined: int
    unrecorded: tuple[tuple[Node, ShortcutAndBranch], ...]


def find_junctions(recorder: ForwardRecorder, graph: Graph, *, hidden: bool = False) -> Junctions:
    """Return the junctions among the additions of a graph.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
        hidden: whether addends without gradients count as what they were computed from.
    """
    additions: list[tuple[Addition, Join]] = []
    for addition in recorder.additions:
        node = node_of_sum(graph, addition)
        edges = addition.edges
        weighted = [False, False]
        for index in (0, 1):
            resolved = graph.resolve(edges[index])
            weighted[index] = addition.are_products[index] and len(resolved) == 1
            origin = addition.hidden[index]
            if hidden and origin is not None:
                edges = (list(origin.edges), edges[1]) if index == 0 else (edges[0], list(origin.edges))
                weighted[index] = origin.has_weight
        if node is not None and edges[0] and edges[1]:
            scaled = _is_factor(addition.factors[0]), _is_factor(addition.factors[1])
            join = Join(edges, node, (weighted[0], weighted[1]), scaled, addition.overwritten)
            additions.append((addition, join))
    recorded = {join.sum for _, join in additions} | recorder.complex_sums
    others = (
        [] if hidden else [(n, j) for n in graph.children if n not in recorded for j in _joins_of(graph, n)]
    )
    splitter = Splitter(graph, [*(join for _, join in additions), *(join for _, join in others)])
    joined: dict[int, JoinedAddition] = {}
    for addition, join in additions:
        paths = splitter.paths(join)
        if paths is None:
            continue
        if paths.before is None:
            joined[id(join)] = JoinedAddition(addition, paths, (), join.sum)
        elif (before := joined.get(id(paths.before))) is not None:
            if not splitter.is_one_sum(join, before.paths, paths.shortcut_index, paths.before):
                goes_on = replace(
                    paths,
                    shortcut=Shortcut("identity", (before.sum, 0), (), (before.sum, 0)),
                    branch=tuple(graph.resolve(join.addends[1 - paths.shortcut_index])),
                )
                origin = before.sum if before.origin is None else before.origin
                joined[id(join)] = JoinedAddition(addition, goes_on, (), join.sum, origin)
                continue
            del joined[id(paths.before)]
            first = EarlierCall(
                before.addition.call,
                before.paths.shortcut_index,
                before.paths.adds_shortcut,
                before.addition.overwritten,
            )
            joined[id(join)] = JoinedAddition(addition, paths, (*before.earlier, first), join.sum)
    unrecorded = [(node, paths) for node, join in others if (paths := splitter.paths(join)) is not None]
    kept = _without_partial_branches(graph, list(joined.values()))
    kept = without_contexts(graph, splitter.dominators, _without_recurrences(recorder, graph, kept))
    return Junctions(tuple(kept), splitter, len(additions), tuple(unrecorded))


def node_of_sum(graph: Graph, addition: Addition) -> Node | None:
    """Return the node of a sum, or None if the loss does not depend on it."""
    if addition.sum in graph:
        return addition.sum
    below = [child for child, _ in addition.sum.next_functions if child is not None]
    # The sum was written into a view, and the loss takes what it is a view of.
    return below[0] if below and operation_of(below[0]) == "CopySlices" and below[0] in graph else None


def _is_factor(factor: float | Tensor) -> bool:
    return not isinstance(factor, float) or factor != 1


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
    """Return the joins that a node may hide: of what it takes, or of what is stacked below it."""
    name, edges = operation_of(node), graph.children[node]
    if name in SUMS_OF_A_STACK:
        edges = stacked_and_summed(graph, node)
    elif not (name in ADDING and len(edges) == 2) and not is_custom(node):
        return []
    pairs = itertools.combinations(edges[:MOST_INPUTS], 2)
    return [Join(([one], [other])) for one, other in pairs]
