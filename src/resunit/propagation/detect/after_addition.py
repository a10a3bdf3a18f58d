"""Deciding what after an addition is the unit's own f, and what the next unit computes for both of its paths.

A unit computes y_l = h(x_l) + F(x_l) and x_{l+1} = f(y_l), Eqs. (1)-(2). What stands between y_l and the next
junction's x is f, unless the next unit's module computes it: then it is a pre-activation that the next unit's
shortcut and branch share (Fig. 4 (d) and (e) where the size changes).
"""

import math
from typing import NamedTuple

from resunit.propagation.detect.dominators import Dominators, PostDominators
from resunit.propagation.detect.found_junction import TensorLocation, Truncation
from resunit.propagation.detect.graph import Graph, Node, is_weight, operation_of
from resunit.propagation.detect.joined_addition import JoinedAddition
from resunit.propagation.detect.recorder import Addition, ForwardRecorder
from resunit.propagation.detect.truncation import find_truncation, truncates


class AfterAddition(NamedTuple):
    """What follows one addition.

    Attributes:
        f: the nodes of f, those nearest to the addition last.
        leaves: where the value is that leaves the unit; None for the sum y_l itself.
        truncation: the activation in f that sets negative values to zero, if there is one.
    """

    f: tuple[Node, ...] = ()
    leaves: TensorLocation | None = None
    truncation: Truncation | None = None


def split_between(
    recorder: ForwardRecorder, between: tuple[Node, ...], own: Addition, following: Addition
) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Return the nodes between a sum and the next junction's x in two parts: f, and the shared pre-activation.

    Args:
        recorder: what the forward pass showed.
        between: the nodes, those nearest to x first.
        own: the addition whose sum the nodes follow.
        following: the addition of the next junction.
    """
    shared = 0
    is_shared = True
    for count, node in enumerate(between, start=1):
        within_next = recorder.is_within(node, following.call)
        if within_next is not None:  # Otherwise it is a step within the function that ends nearer to x.
            is_shared = within_next and not recorder.is_within(node, own.call)
        if not is_shared:
            break
        if within_next is not None or shared:
            shared = count
    return between[shared:], between[:shared]


def find_f_at_the_end(
    graph: Graph,
    dominators: Dominators,
    post_dominators: PostDominators,
    recorder: ForwardRecorder,
    joined: JoinedAddition,
    f_before: tuple[Node, ...] | None,
) -> tuple[Node, ...]:
    """Return the nodes of f of an addition after which no junction of the same stream comes.

    What the adding module still computes is f. If the whole network is one module, that does not tell f from
    what ends the network: then f is what follows the addition before this one, too.

    Args:
        graph: the graph of the forward pass.
        dominators: the dominators of the graph.
        post_dominators: its post-dominators.
        recorder: what the forward pass showed.
        joined: the addition.
        f_before: the nodes of f of the junction before it; None if there is none.
    """
    own = joined.addition
    is_one_module = not own.call.module
    nodes: list[Node] = []
    edge = (joined.sum, 0)
    while (node := post_dominators.nearest(edge)) is not None:
        begin, edge = edge, (node, 0)
        is_outside = recorder.is_within(node, own.call) is False or node in graph.roots
        if is_outside or not dominators.dominates(begin, edge):
            break
        steps = graph.between([edge], begin)  # Several, if the function is written out: x * sigmoid(x).
        if any(is_weight(parameter) for step in steps for parameter in graph.parameters[step]):
            break
        if math.prod(recorder.shapes.get(edge, own.shape)) != math.prod(own.shape):
            break  # Pooling ends the network, and is no activation.
        nodes += reversed(steps)
        if is_one_module and (truncates(recorder, node) if f_before is None else len(nodes) >= len(f_before)):
            break
    while nodes and recorder.is_within(nodes[-1], own.call) is None:
        nodes.pop()  # No call within the module returned this value.
    if is_one_module:
        if f_before is None:
            return tuple(reversed(nodes)) if nodes and truncates(recorder, nodes[-1]) else ()
        if [operation_of(node) for node in reversed(nodes)] != [operation_of(node) for node in f_before]:
            return ()
    return tuple(reversed(nodes))


def describe_f(graph: Graph, recorder: ForwardRecorder, sum_node: Node, f: tuple[Node, ...]) -> AfterAddition:
    """Return what follows an addition, given the node of its sum and the nodes of its f."""
    if not f:
        return AfterAddition()
    truncation = find_truncation(graph, recorder, sum_node, within=set(f))
    return AfterAddition(f, recorder.location_of((f[0], 0)), truncation)
