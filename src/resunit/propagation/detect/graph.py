"""The autograd graph of one forward pass, read from the loss back to the inputs.

Only what depends on the inputs is walked. Parameters, and what is computed from them alone, are kept beside
the nodes that they enter: otherwise a weight that two layers share would look like a fork of the signal.
"""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Node = Any  # torch.autograd.graph.Node
Edge = tuple[Node, int]  # a node and which of its outputs


@dataclass
class Side:
    """What lies between one term of an addition and the value both terms come from."""

    edges: list[Edge]  # of the term itself, as far as they depend on the inputs
    parameters: list[Tensor] = field(default_factory=list)  # that a fused addition takes directly
    nodes: list[Node] = field(default_factory=list)  # nearest to the addition first
    closed: bool = False  # does every path from the inputs lead through the origin?


class Graph:
    """The nodes that the loss depends on, and that depend on the inputs.

    `sources` are the nodes at which inputs enter: by themselves, as an embedding's indices, or as a mask of
    what other inputs became. `unchanged` are those that only pass a value on. `rank` is higher for what is
    computed later; unlike autograd's sequence numbers it knows no exceptions.
    """

    def __init__(self, root: Node, sources: Collection[Node], unchanged: Collection[Node]):
        self.unchanged = unchanged
        order = _inputs_first(root)
        self.rank = {node: rank for rank, node in enumerate(order)}
        self.children: dict[Node, list[Edge]] = {}
        self.parameters: dict[Node, list[Tensor]] = {}
        self.users: defaultdict[Node, list[Node]] = defaultdict(list)
        self.users_of_edge: defaultdict[Edge, list[Node]] = defaultdict(list)
        sources = set(sources)
        self.below: dict[Node, list[Tensor]] = {}  # the parameters of a node that depends on nothing else
        for node in order:
            data, parameters = [], []
            for child, output in node.next_functions:
                if child is None:
                    continue
                if child in self.children:
                    data.append((child, output))
                else:
                    parameters += self.below[child]
            if node in sources or data:
                self.children[node] = data
                # What the inputs are looked up in stands for them; where they only mask, weights are weights.
                self.parameters[node] = parameters if data else []
                for edge in data:
                    self.users[edge[0]].append(node)
                    self.users_of_edge[edge].append(node)
            else:
                variable = getattr(node, "variable", None)
                self.below[node] = parameters if variable is None else [variable]

    def __contains__(self, node: Node) -> bool:
        return node in self.children

    def meeting_points(self, first: list[Edge], second: list[Edge]) -> Iterator[tuple[Edge, Side, Side]]:
        """The values that both sides come from and that one side is wholly a function of, nearest first.

        Walks back from both in decreasing rank, so that when a value is reached, everything computed from
        it on the way to the two sides has been passed.
        """
        sides = self._side(first), self._side(second)
        colours: defaultdict[Node, dict[int, int]] = defaultdict(dict)
        heap: list[tuple[int, Node]] = []
        waiting = [0, 0]  # nodes in the heap, by side

        def reach(edges: list[Edge], colour: int) -> None:
            for node, output in edges:
                before = colours[node]
                had = _union(before)
                if not before:
                    heapq.heappush(heap, (-self.rank[node], node))
                before[output] = before.get(output, 0) | colour
                for side in (0, 1):
                    waiting[side] += bool(colour & ~had & (1 << side))

        reach(sides[0].edges, 1)
        reach(sides[1].edges, 2)
        while waiting[0] and waiting[1]:
            node = heapq.heappop(heap)[1]
            outputs = colours[node]
            colour = _union(outputs)
            for side in (0, 1):
                waiting[side] -= bool(colour & (1 << side))
            for output, reached in outputs.items():
                if reached == 3:
                    for side in (0, 1):
                        others = any(c & (1 << side) for o, c in outputs.items() if o != output)
                        sides[side].closed = waiting[side] == 0 and not others
                    if sides[0].closed or sides[1].closed:
                        yield (node, output), *sides
            for side in (0, 1):
                if colour & (1 << side):
                    sides[side].nodes.append(node)
            for side in (1, 2):
                if colour & side:
                    reach(self.children[node], side)

    def _side(self, edges: list[Edge]) -> Side:
        parameters = [parameter for node, _ in edges for parameter in self.below.get(node, ())]
        return Side([edge for edge in edges if edge[0] in self], parameters)

    def way_back(self, edge: Edge) -> Iterator[tuple[Node, list[Node]]]:
        """The nodes on every path from the inputs to `edge`, nearest first, with all that lies between."""
        passed: list[Node] = []
        heap = [(-self.rank[edge[0]], edge[0])]
        seen = {edge[0]}
        while heap:
            node = heapq.heappop(heap)[1]
            if not heap:
                yield node, passed
            passed.append(node)
            for child, _ in self.children[node]:
                if child not in seen:
                    seen.add(child)
                    heapq.heappush(heap, (-self.rank[child], child))


def _union(outputs: dict[int, int]) -> int:
    colour = 0
    for reached in outputs.values():
        colour |= reached
    return colour


def _inputs_first(root: Node) -> list[Node]:
    """Every node that `root` depends on, each after all that it depends on."""
    order, seen = [], {root}
    stack = [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            order.append(node)
            stack.pop()
    return order
