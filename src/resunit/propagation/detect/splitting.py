"""Splitting additions into shortcut and branch, all those of a graph at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resunit.propagation.detect.dominators import Dominators
from resunit.propagation.detect.found_junction import Role
from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import copies, keeps_values, layer_marks
from resunit.propagation.detect.ranges import Ranges
from resunit.propagation.detect.reach import LAYER, Reach, through_weight
from resunit.propagation.detect.shortcut_kinds import (
    PRECEDENCE,
    Fork,
    Shortcut,
    forks_before,
    has_no_layer,
    is_stream_of_its_own,
    kind_of_shortcut,
    scales,
)
from resunit.propagation.junction import ShortcutKind


@dataclass(frozen=True)
class Join:
    """An addition that may be a junction.

    Attributes:
        addends: the edges of each addend.
        sum: the node of the sum, if later additions may go on from it.
        weighted: whether each addend goes through a weight that is no node of the graph, as one without gradient may.
        overwritten: the number of the addend that the sum replaces, if it is added in place.
    """

    addends: tuple[list[Edge], list[Edge]]
    sum: Node | None = None
    weighted: tuple[bool, bool] = (False, False)
    overwritten: int | None = None


@dataclass(frozen=True)
class ShortcutAndBranch:
    """The two paths of an addition that is a junction.

    Attributes:
        shortcut: the shortcut h.
        roles: what each addend is.
        branch: the edges of the addends that F consists of.
        before: the earlier joins whose sums this one goes on with, as in x + F(x) + G(x).
    """

    shortcut: Shortcut
    roles: tuple[Role, Role]
    branch: tuple[Edge, ...]
    before: tuple[Join, ...] = ()


class _SumSoFar(NamedTuple):
    """An addend that is the sum of an earlier junction, and goes on into one join alone.

    Attributes:
        number: which addend of that join it is, 0 or 1.
        join: the earlier join.
        paths: its paths.
    """

    number: int
    join: Join
    paths: ShortcutAndBranch


class Splitter:
    """Splits joins into shortcut and branch. It costs one pass over the graph, however many joins there are.

    Args:
        graph: the graph of the forward pass.
        joins: the joins in the order of the forward pass.
        ranges: the ranges of the graph's values.

    Attributes:
        dominators: the dominators of the graph; its marks are those of `layer_marks`.
    """

    def __init__(self, graph: Graph, joins: Sequence[Join], ranges: Ranges):
        self.graph = graph
        self._ranges = ranges
        self.dominators = Dominators(graph, lambda node: layer_marks(graph, node))
        self._addends = {id(join): tuple(graph.resolve(edges) for edges in join.addends) for join in joins}
        self._forks: dict[tuple[int, int], list[Fork]] = {}
        self._of_sum: dict[Node, Join] = {}
        self._reach = Reach(graph, self._find_forks(joins))
        self.found: dict[int, ShortcutAndBranch] = {}
        for join in joins:
            paths = (
                self._add_two_sums(join)
                or self._add_to_shortcut(join)
                or self._split(join)
                or self._add_to_branch(join)
            )
            if paths is not None:
                self.found[id(join)] = paths

    def _find_forks(self, joins: Sequence[Join]) -> dict[Edge, int]:
        """Find the forks before every addend that may be a shortcut.

        Returns:
            The values from which ways to other addends are asked for, and the rank of the last of these addends.
        """
        asked_until: dict[Edge, int] = {}
        asked_by_sum: dict[Node, dict[Edge, None]] = {}
        for join in joins:
            addends, asked = self._addends[id(join)], dict[Edge, None]()
            for index, edges in enumerate(addends):
                others = addends[1 - index]
                if len(edges) != 1 or not others or join.weighted[index]:
                    continue
                forks = self._forks[id(join), index] = list(
                    forks_before(self.graph, self.dominators, self._ranges, edges[0])
                )
                values = dict.fromkeys(fork.x for fork in forks)
                if (before := self._sum_so_far(edges[0], join)) is not None:
                    values |= asked_by_sum[before]
                last = max(self.graph.rank[node] for node, _ in others)
                for value in values:
                    asked_until[value] = max(asked_until.get(value, 0), last)
                asked |= values
            if join.sum is not None:
                asked_by_sum[join.sum] = asked
                self._of_sum[join.sum] = join
        return asked_until

    def paths(self, join: Join) -> ShortcutAndBranch | None:
        """Return the shortcut and the branch of a join, or None if it is no junction."""
        return self.found.get(id(join))

    def is_one_sum(self, paths: ShortcutAndBranch, join: Join) -> bool:
        """Return whether a join and the one that takes its sum can be measured as one junction.

        They cannot where the first sum replaced x_l itself.

        Args:
            paths: the paths of the first join.
            join: the first join.
        """
        is_x = not paths.before and paths.shortcut.x == paths.shortcut.end
        return not (is_x and join.overwritten == paths.roles.index("shortcut"))

    def _split(self, join: Join) -> ShortcutAndBranch | None:
        candidates = []
        for index in (0, 1):
            shortcut = self._shortcut(join, index)
            if shortcut is not None:
                branch = self._addends[id(join)][1 - index]
                candidates.append(
                    ShortcutAndBranch(shortcut, _at(index, "shortcut", "branch"), tuple(branch))
                )
        return min(
            candidates,
            key=lambda paths: (
                -self.graph.rank[paths.shortcut.x[0]],
                PRECEDENCE.index(paths.shortcut.kind),
            ),
            default=None,
        )

    def _shortcut(self, join: Join, index: int) -> Shortcut | None:
        """Return one addend as a shortcut with the other one as its branch, or None if it is none.

        If the other addend has no layer on its way from x, it may have one on its way from what x is a copy, a cast or
        a transpose of: a scan takes the transpose, and its steps are a function of the value itself.
        """
        nearest: Fork | None = None
        for fork in self._forks.get((id(join), index), ()):
            way = self._way(fork.x, join, 1 - index)
            if not way:
                continue
            if nearest is not None and not self._is_same_value(fork, nearest):
                return None
            addend = self._addends[id(join)][index][0]
            if fork.gated:
                if way & LAYER and self.dominators.dominates(fork.x, addend):
                    return Shortcut("gate", fork.x, self.graph.between([addend], fork.x), addend)
            elif way & LAYER:
                kind = self._kind(fork, join, index, way)
                return None if kind is None else Shortcut(kind, fork.x, fork.nodes, addend)
            else:
                nearest = fork
        return None

    def _is_same_value(self, fork: Fork, nearest: Fork) -> bool:
        """Return whether what stands between two forks of a chain keeps every value."""
        between = fork.nodes[len(nearest.nodes) :]
        return not fork.gated and all(keeps_values(self.graph, node) for node in between)

    def _kind(self, fork: Fork, join: Join, index: int, way: int) -> ShortcutKind | None:
        def is_smaller(node: Node) -> bool:
            own = {id(weight) for weight in self.graph.parameters[node]}
            branch = self.graph.weights_behind(self._addends[id(join)][1 - index], fork.x)
            return not own & branch.keys() and (
                sum(weight.numel() for weight in self.graph.parameters[node] if weight.ndim >= 2)
                < sum(weight.numel() for weight in branch.values())
            )

        kind = kind_of_shortcut(self.graph, fork.nodes, way, is_smaller)
        is_own = kind == "projection" and is_stream_of_its_own(self.graph, fork)
        return None if is_own else kind

    def _add_to_branch(self, join: Join) -> ShortcutAndBranch | None:
        """Return the paths of the second addition in x + F(x) + G(x): both branches together are F."""
        sums = sorted(self._sums_so_far(join), key=lambda s: PRECEDENCE.index(s.paths.shortcut.kind))
        for index, before, paths in sums:
            if self._way(paths.shortcut.x, join, 1 - index) & LAYER:
                branch = (*paths.branch, *self._addends[id(join)][1 - index])
                return ShortcutAndBranch(paths.shortcut, _at(index, "sum", "branch"), branch, (before,))
        return None

    def _add_to_shortcut(self, join: Join) -> ShortcutAndBranch | None:
        """Return the paths of the second addition in h(x) + F(x) + g(x): h and g together are the shortcut.

        If both h and g are multiples of x, the first sum is a unit within a unit, as in x + (x + F(x)). Where h takes a
        part of x back, as in x + (t F(x) - t x), both are one shortcut, and t may be a gate.
        """
        for index, before, paths in self._sums_so_far(join):
            first = paths.shortcut
            takes_back = sum(operation_of(node) == "Neg" for node in first.nodes) % 2 == 1
            is_open = has_no_layer(self.graph, first.nodes) or (takes_back and first.kind == "gate")
            if not self.is_one_sum(paths, before) or not is_open:
                continue
            for fork in self._forks.get((id(join), 1 - index), ()):
                if fork.x != first.x or fork.gated or not has_no_layer(self.graph, fork.nodes):
                    continue
                are_multiples = _are_multiples(self.graph, fork.nodes) and (
                    first.kind == "gate" or _are_multiples(self.graph, first.nodes)
                )
                is_unit_within = are_multiples and not takes_back
                if is_unit_within or (first.kind == "gate" and not are_multiples):
                    continue
                further = Shortcut("operations", fork.x, fork.nodes, self._addends[id(join)][1 - index][0])
                if (shortcut := self._both(first, further, paths.branch)) is not None:
                    return ShortcutAndBranch(shortcut, _at(index, "sum", "shortcut"), paths.branch, (before,))
        return None

    def _add_two_sums(self, join: Join) -> ShortcutAndBranch | None:
        """Return the paths of the last addition in (h(x) + F(x)) + (g(x) + G(x)): h and g together are the shortcut."""
        sums = list(self._sums_so_far(join))
        if len(sums) < 2:
            return None
        (_, one, of_one), (_, other, of_other) = sums
        is_one = self.is_one_sum(of_one, one) and self.is_one_sum(of_other, other)
        shortcuts = of_one.shortcut, of_other.shortcut
        has_layer = not all(has_no_layer(self.graph, shortcut.nodes) for shortcut in shortcuts)
        if not is_one or has_layer or shortcuts[0].x != shortcuts[1].x:
            return None
        branch = (*of_one.branch, *of_other.branch)
        shortcut = self._both(*shortcuts, branch)
        return shortcut and ShortcutAndBranch(shortcut, ("sum", "sum"), branch, (one, other))

    def _both(self, one: Shortcut, other: Shortcut, branch: tuple[Edge, ...]) -> Shortcut | None:
        """Return the sum of two parts of a shortcut, or None if it is no shortcut beside this branch."""
        nodes = tuple(sorted({*one.nodes, *other.nodes}, key=self.graph.rank.__getitem__, reverse=True))
        way = self._reach.way(one.x, branch)
        kind = "gate" if one.kind == "gate" else kind_of_shortcut(self.graph, nodes, way, lambda _: False)
        simplest = other if _are_multiples(self.graph, other.nodes) else one
        return kind and Shortcut("scale" if kind == "identity" else kind, one.x, nodes, simplest.end)

    def _sums_so_far(self, join: Join) -> Iterator[_SumSoFar]:
        """Yield the addends of a join that are sums of earlier junctions and go on into this join alone."""
        for index in (0, 1):
            edges = self._addends[id(join)][index]
            if len(edges) != 1 or (sum_so_far := self._sum_so_far(edges[0], join)) is None:
                continue
            before = self._of_sum[sum_so_far]
            if (paths := self.found.get(id(before))) is not None:
                yield _SumSoFar(index, before, paths)

    def _sum_so_far(self, addend: Edge, join: Join) -> Node | None:
        """Return the node of the earlier sum that an addend is or copies, if nothing else takes that sum."""
        edge, user = addend, join.sum
        while self.graph.users_of_edge[edge] == [user]:
            node = edge[0]
            if node in self._of_sum:
                return node
            if not self.graph.children[node] or not copies(self.graph, node):
                return None
            edge, user = self.graph.children[node][0], node
        return None

    def _way(self, x: Edge, join: Join, index: int) -> int:
        """Return what lies on the ways from x to an addend; 0 if there is no way."""
        way = self._reach.way(x, self._addends[id(join)][index])
        return through_weight(way) if way and join.weighted[index] else way


def _at(index: int, role: Role, of_the_other: Role) -> tuple[Role, Role]:
    """Return the roles of both addends, given the role of the addend at an index."""
    return (role, of_the_other) if index == 0 else (of_the_other, role)


def _are_multiples(graph: Graph, nodes: Sequence[Node]) -> bool:
    return all(scales(graph, node) for node in nodes)
