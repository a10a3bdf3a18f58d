"""Looking into the branches of all junctions at once: their first weight layers, and how large they are.

A branch may reach back through most of the network, as where every layer takes the sum of all earlier ones.
To walk through each branch on its own would then cost the square of the number of nodes.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from resunit.propagation.detect.graph import Edge, Graph, Node
from resunit.propagation.detect.layers import is_weight_layer

MOST_VISITS_SHARE = 4  # of the graph's nodes, that counting the nodes of branches may visit


class Branch(NamedTuple):
    """A branch F as a part of the graph.

    Attributes:
        x: the value that F is computed from.
        ends: the values that F consists of.
    """

    x: Edge
    ends: tuple[Edge, ...]

    def last_rank(self, graph: Graph) -> int:
        """Return the rank of the last node of F."""
        return max(graph.rank[node] for node, _ in self.ends)


def first_weight_layers(graph: Graph, branches: Sequence[Branch]) -> list[Node | None]:
    """Return the first convolution or linear layer of each branch, or None for a branch that has none.

    One pass carries a small table with each node: by the values x that it is computed from, the first layer on
    the ways from x. A value leaves the tables after the last branch that begins there.
    """
    asked_until: dict[Edge, int] = {}
    for branch in branches:
        asked_until[branch.x] = max(asked_until.get(branch.x, 0), branch.last_rank(graph))
    of_node: dict[Node, dict[Edge, Node | None]] = {}
    for node, children in graph.children.items():
        rank = graph.rank[node]
        first: dict[Edge, Node | None] = {}
        for edge in children:
            arriving: Iterable[tuple[Edge, Node | None]] = of_node[edge[0]].items()
            if edge in asked_until:
                arriving = [*arriving, (edge, None)]
            for x, layer in arriving:
                if asked_until[x] >= rank:
                    first[x] = _earlier(graph, first.get(x), layer)
        if first and len(children) == 1 and is_weight_layer(graph, node):
            first = {x: node if layer is None else layer for x, layer in first.items()}
        of_node[node] = first
    found: list[Node | None] = []
    for branch in branches:
        layer = None
        for node, _ in branch.ends:
            layer = _earlier(graph, layer, of_node[node].get(branch.x))
        found.append(layer)
    return found


def count_nodes(graph: Graph, branches: Collection[Branch]) -> dict[Branch, int]:
    """Return the number of nodes on the ways from x to F, of each branch.

    The branches that span the fewest nodes are counted first. Those that are left when the counting has
    visited `MOST_VISITS_SHARE` times the graph count as the whole graph.
    """
    total = len(graph.children)
    left = MOST_VISITS_SHARE * total
    counts: dict[Branch, int] = {}
    for branch in sorted(branches, key=lambda branch: branch.last_rank(graph) - graph.rank[branch.x[0]]):
        if left <= 0:
            counts[branch] = total
            continue
        behind = _behind(graph, branch)
        left -= len(behind)
        of_x: set[Node] = set()
        for node in sorted(behind, key=graph.rank.__getitem__):
            if any(edge == branch.x or edge[0] in of_x for edge in graph.children[node]):
                of_x.add(node)
        counts[branch] = len(of_x)
    return counts


def _behind(graph: Graph, branch: Branch) -> set[Node]:
    """Return the nodes that F is computed by, down to the rank of x."""
    seen: set[Node] = set()
    waiting = [node for node, _ in branch.ends]
    while waiting:
        node = waiting.pop()
        if node not in seen and graph.rank[node] > graph.rank[branch.x[0]]:
            seen.add(node)
            waiting += [child for child, _ in graph.children[node]]
    return seen


def _earlier(graph: Graph, one: Node | None, other: Node | None) -> Node | None:
    if one is None or other is None:
        return other if one is None else one
    return one if graph.rank[one] <= graph.rank[other] else other
