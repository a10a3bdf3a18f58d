"""The autograd graph of one forward pass, read from the loss back to the inputs.

The graph holds what depends on the inputs. Parameters, and what is computed from parameters alone, are kept
beside the nodes that take them. Otherwise a weight that two layers share would look like a fork of the
signal.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

Node = Any  # torch.autograd.graph.Node
Edge = tuple[Node, int]  # A node and the number of one of its outputs: together they stand for one value.
Hidden = Mapping[Node, Sequence[Edge]]  # For a node, the values that reach it without gradients.
NOTHING_HIDDEN: Hidden = {}

REENTRANT = "CheckpointFunction"
"""The operation of a node of torch.utils.checkpoint with use_reentrant=True."""


def operation_of(node: Node) -> str:
    """Return the name of a node without autograd's decorations: "Mul" for "MulBackward0"."""
    return node.name().rsplit("::", 1)[-1].split("Backward")[0]


def is_weight(parameter: Tensor) -> bool:
    """Return whether a parameter mixes channels or positions, as biases and scales of any shape do not."""
    return sum(size > 1 for size in parameter.shape) >= 2


class Graph:
    """The nodes that the loss depends on, and that depend on the inputs.

    Args:
        roots: the node of the loss, or the nodes of several values.
        sources: the nodes at which inputs enter: as values, as the indices of an embedding, or as a mask.
        unchanged: the nodes whose result equals their input.
        hidden: for some nodes, the edges of values that they depend on without gradients, which are followed
            like those with gradients.

    Attributes:
        roots: the node of the loss, or the nodes of several values.
        children: for each node, the edges that it takes its values from.
        parameters: for each node, the parameters that it takes, each once.
        users: for each node, the nodes that take one of its outputs.
        users_of_edge: for each edge, the nodes that take it.
        used_outputs: for each node, the numbers of its outputs that others take.
        parameters_alone: for each node that depends on parameters alone, these parameters.
        rank: the position of each node in an order of computation, in which each node stands after all nodes
            that it depends on. Autograd's own sequence numbers have exceptions.
    """

    def __init__(
        self,
        roots: Sequence[Node],
        sources: Collection[Node],
        unchanged: Collection[Node],
        hidden: Hidden = NOTHING_HIDDEN,
    ):
        self.roots = frozenset(roots)
        self.unchanged = unchanged
        order = inputs_first(roots, hidden)
        self.rank = {node: rank for rank, node in enumerate(order)}
        self.children: dict[Node, list[Edge]] = {}
        self.parameters: dict[Node, tuple[Tensor, ...]] = {}
        self.users: defaultdict[Node, list[Node]] = defaultdict(list)
        self.users_of_edge: defaultdict[Edge, list[Node]] = defaultdict(list)
        self.used_outputs: defaultdict[Node, set[int]] = defaultdict(set)
        self.parameters_alone: dict[Node, tuple[Tensor, ...]] = {}
        sources = set(sources)
        for node in order:
            data: list[Edge] = []
            parameters: list[tuple[Tensor, ...]] = []
            for child, output in (*node.next_functions, *hidden.get(node, ())):
                if child is None:
                    continue
                if child in self.children:
                    data.append((child, output))
                else:
                    parameters.append(self.parameters_alone[child])
            if node in sources or data:
                self.children[node] = data
                # A table that inputs are looked up in is no weight of the node; what inputs only mask is one.
                self.parameters[node] = _distinct(parameters) if data else ()
                for edge in data:
                    self.users[edge[0]].append(node)
                    self.used_outputs[edge[0]].add(edge[1])
                    self.users_of_edge[edge].append(node)
            else:
                variable = getattr(node, "variable", None)
                self.parameters_alone[node] = _distinct(parameters) if variable is None else (variable,)

    def __contains__(self, node: Node) -> bool:
        return node in self.children

    def is_fork(self, edge: Edge) -> bool:
        """Return whether more than one value is computed from a value directly."""
        users = self.users_of_edge[edge]
        return len(users) > 1 or any(len(self.used_outputs[user]) > 1 for user in users)

    def resolve(self, edges: Iterable[Edge]) -> list[Edge]:
        """Return the edges that depend on the inputs, in place of the given ones.

        An addition in place takes a view out of the graph if the view's base takes part in it; what the view
        was made of stands for it. Edges of parameters are left out.
        """
        resolved: dict[Edge, None] = {}
        waiting = list(reversed(list(edges)))
        while waiting:
            node, output = waiting.pop()
            if node in self.children:
                resolved[node, output] = None
            elif node not in self.parameters_alone:
                waiting += [(child, out) for child, out in reversed(node.next_functions) if child is not None]
        return list(resolved)

    def between(self, edges: Iterable[Edge], x: Edge) -> tuple[Node, ...]:
        """Return the nodes on the way from x to `edges`, those nearest to `edges` first.

        Every way from the inputs to `edges` must lead through x.
        """
        seen: set[Node] = set()
        waiting = [edge for edge in edges if edge != x]
        while waiting:
            node, _ = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += [edge for edge in self.children[node] if edge != x]
        return tuple(sorted(seen, key=lambda node: -self.rank[node]))

    def weights_behind(self, edges: Iterable[Edge], x: Edge) -> dict[int, Tensor]:
        """Return the weights that take part between x and `edges`, by their ids."""
        weights: dict[int, Tensor] = {}
        seen: set[Node] = set()
        waiting = [node for node, _ in edges]
        while waiting:
            node = waiting.pop()
            if node not in seen and self.rank[node] > self.rank[x[0]]:
                seen.add(node)
                weights |= {id(weight): weight for weight in self.parameters[node] if weight.ndim >= 2}
                waiting += [child for child, _ in self.children[node]]
        return weights


def _distinct(groups: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Return each parameter of the groups once; equal groups stay one object, and so cost no memory."""
    groups = list({id(group): group for group in groups}.values())
    if len(groups) == 1:
        return groups[0]
    return tuple({id(parameter): parameter for group in groups for parameter in group}.values())


def inputs_first(roots: Iterable[Node], hidden: Hidden = NOTHING_HIDDEN) -> list[Node]:
    """Return every node that the roots depend on, each after all nodes that it depends on itself."""
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter((*root.next_functions, *hidden.get(root, ()))))]
        while stack:
            node, children = stack[-1]
            for child, _ in children:
                if child is not None and child not in seen:
                    seen.add(child)
                    stack.append((child, iter((*child.next_functions, *hidden.get(child, ())))))
                    break
            else:
                order.append(node)
                stack.pop()
    return order
