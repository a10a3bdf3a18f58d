"""Products of a vector with the Jacobian between two values, node by node and without a backward pass.

Autograd computes such a product by a pass of its engine. Where the values are near each other and the products are
many, calling the nodes in between is the same arithmetic without the pass.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from resunit.propagation.detect.graph import Edge, Node
from resunit.propagation.detect.layers import is_custom


def product(of: Sequence[tuple[Edge, Tensor]], by: Edge, rank: Mapping[Node, int]) -> Tensor | None:
    """Return the gradient at the value `by`, given those at later values; None if these are no functions of it.

    Each node between the values is visited once. Hooks do not fire.

    Args:
        of: the edges of the values whose gradients are known, and these gradients.
        by: the edge of the earlier value.
        rank: the position of each node in an order of computation, in which a node stands after all nodes that it
            depends on. Nodes that are not in it come last.
    """
    between = _nodes_between([edge for edge, _ in of], by, rank)
    known = {*between, by[0]}
    gradients = pass_back(between, [(edge, gradient) for edge, gradient in of if edge[0] in known])
    return gradients[by[0]][by[1]] if by[0] in gradients else None


def pass_back(nodes: Sequence[Node], of: Sequence[tuple[Edge, Tensor]]) -> dict[Node, list[Tensor | None]]:
    """Return the gradients of the values that some nodes take from others, by the nodes of these values.

    Args:
        nodes: the nodes, those of the latest values first.
        of: values and their gradients.
    """
    gradients: dict[Node, list[Tensor | None]] = {}
    for edge, gradient in of:
        _add(gradients, edge, gradient)
    for node in nodes:
        if (arriving := gradients.pop(node, None)) is None:
            continue
        for (child, output), result in zip(node.next_functions, visit(node, arriving), strict=False):
            if child is not None and result is not None:
                _add(gradients, (child, output), result)
    return gradients


def visit(node: Node, gradients: list[Tensor | None]) -> tuple[Tensor | None, ...]:
    """Return the gradients of what a node takes, given those of its outputs."""
    with torch.no_grad():
        if is_custom(node):  # It expects zeros where autograd would pass nothing.
            metadata = node._input_metadata
            results = node.apply(
                *(
                    torch.zeros(of.shape, dtype=of.dtype, device=of.device) if given is None else given
                    for given, of in zip(gradients, metadata, strict=True)
                )
            )
        else:
            results = node(*gradients)
    return results if isinstance(results, tuple) else (results,)


def _nodes_between(of: Sequence[Edge], by: Edge, rank: Mapping[Node, int]) -> list[Node]:
    """Return the nodes on the ways from `by` to later values, without that of `by`, the last ones first."""
    first = rank.get(by[0], -1)
    leads: dict[Node, bool] = {by[0]: False}  # whether a node was computed from `by`
    order: list[Node] = []
    for start, _ in of:
        if start in leads:
            continue
        leads[start] = False
        stack: list[tuple[Node, Iterator[Edge]]] = [(start, iter(start.next_functions))]
        while stack:
            node, children = stack[-1]
            for child, output in children:
                if child is None or rank.get(child, first + 1) < first:
                    continue
                if child in leads:
                    leads[node] = leads[node] or leads[child] or (child, output) == by
                else:
                    leads[child] = False
                    stack.append((child, iter(child.next_functions)))
                    break
            else:
                stack.pop()
                if leads[node]:
                    order.append(node)
                    if stack:
                        leads[stack[-1][0]] = True
    return order[::-1]


def _add(gradients: dict[Node, list[Tensor | None]], edge: Edge, gradient: Tensor) -> None:
    """Add the gradient of one value, which a function may have broadcast or cast."""
    node, output = edge
    metadata = node._input_metadata
    of_node = gradients.setdefault(node, [None] * len(metadata))
    value = metadata[output]
    if gradient.shape != value.shape:
        gradient = gradient.sum_to_size(value.shape)
    gradient = gradient.to(value.dtype)
    before = of_node[output]
    of_node[output] = gradient if before is None else before + gradient
