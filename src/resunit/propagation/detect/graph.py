"""The autograd graph of one forward pass, read from the loss back to the inputs.

The graph holds what depends on the inputs. Parameters, and what is computed from parameters alone, are kept
beside the nodes that take them. Otherwise a weight that two layers share would look like a fork of the
signal.
"""

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Node = Any  # torch.autograd.graph.Node
Edge = tuple[Node, int]  # A node and the number of one of its outputs: together they stand for one value.

FIRST, SECOND, BOTH = 1, 2, 3  # Bit masks: which addends a value takes part in.


def operation_of(node: Node) -> str:
    """Return the name of a node without autograd's decorations: "Mul" for "MulBackward0"."""
    return node.name().rsplit("::", 1)[-1].split("Backward")[0]


def is_weight(parameter: Tensor) -> bool:
    """Return whether a parameter mixes channels or positions, as biases and scales of any shape do not."""
    return sum(size > 1 for size in parameter.shape) >= 2


@dataclass
class Subgraph:
    """The part of the graph between one addend and the value x that both addends are computed from.

    Attributes:
        edges: the edges of the addend itself, as far as they depend on the inputs.
        parameters: the parameters that a fused addition takes directly.
        nodes: the nodes between addend and x, those nearest to the addition first.
        depends_on_x_alone: whether every way from the inputs to the addend leads through x.
    """

    edges: list[Edge]
    parameters: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    depends_on_x_alone: bool = False


class Graph:
    """The nodes that the loss depends on, and that depend on the inputs.

    Args:
        root: the node of the loss.
        sources: the nodes at which inputs enter: as values, as the indices of an embedding, or as a mask.
        unchanged: the nodes whose result equals their input.

    Attributes:
        root: the node of the loss.
        children: for each node, the edges that it takes its values from.
        parameters: for each node, the parameters that it takes.
        users: for each node, the nodes that take one of its outputs.
        users_of_edge: for each edge, the nodes that take it.
        parameters_alone: for each node that depends on parameters alone, these parameters.
        rank: the position of each node in an order of computation, in which each node stands after all nodes
            that it depends on. Autograd's own sequence numbers have exceptions.
    """

    def __init__(self, root: Node, sources: Collection[Node], unchanged: Collection[Node]):
        self.root = root
        self.unchanged = unchanged
        order = _inputs_first(root)
        self.rank = {node: rank for rank, node in enumerate(order)}
        self.children: dict[Node, list[Edge]] = {}
        self.parameters: dict[Node, list[Tensor]] = {}
        self.users: defaultdict[Node, list[Node]] = defaultdict(list)
        self.users_of_edge: defaultdict[Edge, list[Node]] = defaultdict(list)
        self.parameters_alone: dict[Node, list[Tensor]] = {}
        sources = set(sources)
        for node in order:
            data, parameters = [], []
            for child, output in node.next_functions:
                if child is None:
                    continue
                if child in self.children:
                    data.append((child, output))
                else:
                    parameters += self.parameters_alone[child]
            if node in sources or data:
                self.children[node] = data
                # A table that inputs are looked up in is no weight of the node; what inputs only mask is one.
                self.parameters[node] = parameters if data else []
                for edge in data:
                    self.users[edge[0]].append(node)
                    self.users_of_edge[edge].append(node)
            else:
                variable = getattr(node, "variable", None)
                self.parameters_alone[node] = parameters if variable is None else [variable]

    def __contains__(self, node: Node) -> bool:
        return node in self.children

    def common_origins(
        self, first: list[Edge], second: list[Edge]
    ) -> Iterator[tuple[Edge, Subgraph, Subgraph]]:
        """Yield the values x that both addends are computed from, nearest first, with the part between.

        Only values that at least one addend is a function of alone are yielded. The two subgraphs are the
        same objects each time, and grow.

        The walk goes back from both addends in decreasing rank. So when it reaches a value, it has passed
        everything on the way from this value to the addends.

        Args:
            first: the edges of the first addend.
            second: the edges of the second addend.
        """
        subgraphs = self._subgraph(first), self._subgraph(second)
        masks: defaultdict[Node, dict[int, int]] = defaultdict(dict)  # of each output of a node
        heap: list[tuple[int, Node]] = []
        waiting = [0, 0]  # how many nodes in the heap belong to each addend

        def reach(edges: list[Edge], mask: int) -> None:
            for node, output in edges:
                outputs = masks[node]
                known = _union(outputs)
                if not outputs:
                    heapq.heappush(heap, (-self.rank[node], node))
                outputs[output] = outputs.get(output, 0) | mask
                for addend in (0, 1):
                    waiting[addend] += bool(mask & ~known & (1 << addend))

        reach(subgraphs[0].edges, FIRST)
        reach(subgraphs[1].edges, SECOND)
        while waiting[0] and waiting[1]:
            node = heapq.heappop(heap)[1]
            outputs = masks[node]
            mask = _union(outputs)
            for addend in (0, 1):
                waiting[addend] -= bool(mask & (1 << addend))
            for output, reached in outputs.items():
                if reached == BOTH:
                    for addend in (0, 1):
                        others = any(m & (1 << addend) for o, m in outputs.items() if o != output)
                        subgraphs[addend].depends_on_x_alone = waiting[addend] == 0 and not others
                    if subgraphs[0].depends_on_x_alone or subgraphs[1].depends_on_x_alone:
                        yield (node, output), *subgraphs
            for addend in (0, 1):
                if mask & (1 << addend):
                    subgraphs[addend].nodes.append(node)
            for addend_mask in (FIRST, SECOND):
                if mask & addend_mask:
                    reach(self.children[node], addend_mask)

    def _subgraph(self, edges: list[Edge]) -> Subgraph:
        parameters = [parameter for node, _ in edges for parameter in self.parameters_alone.get(node, ())]
        return Subgraph([edge for edge in edges if edge[0] in self], parameters)

    def bottlenecks(self, edge: Edge) -> Iterator[tuple[Node, list[Node]]]:
        """Yield the nodes that every way from the inputs to `edge` leads through, nearest first.

        With each comes the list of the nodes between it and `edge`, which is the same object each time.
        """
        between: list[Node] = []
        heap = [(-self.rank[edge[0]], edge[0])]
        seen = {edge[0]}
        while heap:
            node = heapq.heappop(heap)[1]
            if not heap:
                yield node, between
            between.append(node)
            for child, _ in self.children[node]:
                if child not in seen:
                    seen.add(child)
                    heapq.heappush(heap, (-self.rank[child], child))


def _union(masks: dict[int, int]) -> int:
    union = 0
    for mask in masks.values():
        union |= mask
    return union


def _inputs_first(root: Node) -> list[Node]:
    """Return every node that `root` depends on, each after all nodes that it depends on itself."""
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
