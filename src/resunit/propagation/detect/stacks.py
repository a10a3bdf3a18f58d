"""Finding values that are put side by side and then summed: an addition that no call makes."""

import torch
from torch.autograd.graph import GradientEdge

from resunit.propagation.detect.graph import Edge, Graph, Node, operation_of
from resunit.propagation.detect.layers import KEEPS_VALUES, mixes

STACKS = ("Stack", "Cat")
SUMS_OF_A_STACK = ("Sum", "Mean", "Nansum", "Cumsum", "Mv", "Mm", "Bmm")
# These may stand between the stack and the sum; factors weigh the parts.
IN_BETWEEN = (*KEEPS_VALUES, "Mul", "Div", "Unsqueeze")
LONGEST_WAY = 12  # from the sum back to the stack, in nodes


def stacked_and_summed(graph: Graph, node: Node) -> list[Edge]:
    """Return the values that a node sums place by place, after they were stacked or concatenated.

    Returns nothing if the node sums within the values, as a mean over positions does. Which it is shows the
    gradient of one element of the sum: it reaches several of the values, or one.

    Args:
        graph: the graph of the forward pass, through which gradients can still go.
        node: a node that sums.
    """
    stack = node
    for _ in range(LONGEST_WAY):
        if len(graph.children[stack]) != 1 or mixes(graph, stack):
            return []
        stack = graph.children[stack][0][0]
        if operation_of(stack) in STACKS:
            parts = graph.children[stack]
            return parts if len(parts) > 1 and _adds_up(node, stack) else []
        if operation_of(stack) not in IN_BETWEEN:
            return []
    return []


def _adds_up(node: Node, stack: Node) -> bool:
    """Return whether one element of a sum is computed from several parts of a stack."""
    of_sum = node._input_metadata[0]
    one = torch.zeros(of_sum.shape, dtype=of_sum.dtype, device=of_sum.device)
    one.view(-1)[one.numel() // 2] = 1
    try:
        (at_stack,) = torch.autograd.grad(
            [GradientEdge(node, 0)], [GradientEdge(stack, 0)], [one], retain_graph=True
        )
        of_parts = stack(at_stack)
    except RuntimeError:  # A value that the gradient needs was changed in place.
        return False
    if any(part is not None and part.numel() != one.numel() for part in of_parts):
        return False  # The sum is one number, for instance.
    return sum(part is not None and bool(part.any()) for part in of_parts) > 1
