"""The values that everything on a way must pass through: dominators and post-dominators of the graph.

A value x dominates another one if every way from the inputs to the other one leads through x: the other one
is a function of x alone. A node post-dominates a value if every way from the value to the loss leads through
the node. Both are trees, built in one pass over the nodes (Cooper, Harvey and Kennedy 2001: "A simple, fast
dominance algorithm"; the graph has no cycles, so one pass is enough).
"""

from collections.abc import Callable

from resunit.propagation.detect.graph import Edge, Graph, Node


class Dominators:
    """For each value, the nearest value that it is a function of alone.

    Args:
        graph: the graph of the forward pass.
        mark: what a node is, as the bits of a number; what stands between two values has the bits of all.
    """

    def __init__(self, graph: Graph, mark: Callable[[Node], int]):
        self._nearest: dict[Node, Edge | None] = {}  # None stands for all inputs together
        self._depth: dict[Node, int] = {}
        self._marks: dict[Node, int] = {}  # the marks of the node and of what follows _nearest
        for node, children in graph.children.items():
            nearest = children[0] if children else None
            for edge in children[1:]:
                nearest = self._common(nearest, edge)
            self._nearest[node] = nearest
            self._depth[node] = 0 if nearest is None else self._depth[nearest[0]] + 1
            marks = mark(node)
            for edge in children:
                for passed in self._climb(edge, nearest):
                    marks |= self._marks[passed]
            self._marks[node] = marks

    def nearest(self, value: Edge) -> Edge | None:
        """Return the nearest value that `value` is a function of alone; None for an input."""
        return self._nearest[value[0]]

    def marks(self, value: Edge) -> int:
        """Return the marks of the nodes between `value` and `nearest(value)`, and of the node of `value`."""
        return self._marks[value[0]]

    def dominates(self, x: Edge, value: Edge) -> bool:
        """Return whether `value` is x, or a function of x alone."""
        current: Edge | None = value
        while current is not None and current != x and self._depth[current[0]] > self._depth[x[0]]:
            current = self._nearest[current[0]]
        return current == x

    def _common(self, one: Edge | None, other: Edge | None) -> Edge | None:
        while one != other:
            if one is None or other is None:
                return None
            if self._depth[one[0]] >= self._depth[other[0]]:
                one = self._nearest[one[0]]
            else:
                other = self._nearest[other[0]]
        return one

    def _climb(self, edge: Edge, until: Edge | None) -> list[Node]:
        passed = []
        current: Edge | None = edge
        while current is not None and current != until:
            passed.append(current[0])
            current = self._nearest[current[0]]
        return passed


class PostDominators:
    """For each value, the nodes that everything computed from it goes through on the way to the loss.

    Args:
        graph: the graph of the forward pass, with the loss as its only root.
    """

    def __init__(self, graph: Graph):
        self._nearest: dict[Node, Node | None] = {}
        self._depth: dict[Node, int] = {}
        self._users = graph.users_of_edge
        self._of_value: dict[Edge, Node | None] = {}  # the nearest one of a value, which many junctions share
        for node in reversed(graph.children):
            nearest = self._common(graph.users[node])
            self._nearest[node] = nearest
            self._depth[node] = 0 if nearest is None else self._depth[nearest] + 1

    def nearest(self, value: Edge) -> Node | None:
        """Return the nearest node that everything computed from `value` goes through; None for the loss."""
        if value not in self._of_value:
            self._of_value[value] = self._common(self._users[value])
        return self._of_value[value]

    def post_dominates(self, node: Node, value: Edge) -> bool:
        """Return whether `value` takes part in nothing but what goes into `node`."""
        current = self.nearest(value)
        while current is not None and current is not node and self._depth[current] > self._depth[node]:
            current = self._nearest[current]
        return current is node

    def _common(self, users: list[Node]) -> Node | None:
        if not users:
            return None
        one: Node | None = users[0]
        for user in users[1:]:
            other: Node | None = user
            while one is not other:
                if one is None or other is None:
                    return None
                if self._depth[one] >= self._depth[other]:
                    one = self._nearest[one]
                else:
                    other = self._nearest[other]
        return one
