"""Leaving out sums that join other things than x and its branch: contexts, and streams that both go on."""

import math

from resunit.propagation.detect.dominators import Dominators, PostDominators
from resunit.propagation.detect.graph import Graph
from resunit.propagation.detect.joined_addition import JoinedAddition


def without_contexts(
    graph: Graph, dominators: Dominators, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out the only addition within the branch of another junction, if what it adds is broadcast.

    It acts like a bias that depends on the input (Cao et al. 2019: "GCNet"), and is a part of that branch.
    """
    broadcast = [junction for junction in joined if _is_broadcast(junction)]
    if not broadcast:
        return joined
    post_dominators = PostDominators(graph)

    def is_within(inner: JoinedAddition, outer: JoinedAddition) -> bool:
        value = (inner.sum, 0)
        return (
            graph.rank[outer.paths.shortcut.x[0]] < graph.rank[inner.sum] < graph.rank[outer.sum]
            and dominators.dominates(outer.paths.shortcut.x, value)
            and post_dominators.post_dominates(outer.sum, value)
            and inner.sum not in outer.paths.shortcut.nodes
        )

    def is_context(junction: JoinedAddition) -> bool:
        around = [outer for outer in joined if is_within(junction, outer)]
        if not around:
            return False
        nearest = min(around, key=lambda outer: graph.rank[outer.sum])
        return not any(other is not junction and is_within(other, nearest) for other in joined)

    contexts = {id(junction) for junction in broadcast if is_context(junction)}
    return [junction for junction in joined if id(junction) not in contexts]


def without_sums_of_streams(
    graph: Graph, dominators: Dominators, joined: list[JoinedAddition]
) -> list[JoinedAddition]:
    """Leave out a sum of an affine map of x and of what is read from a stream that goes on elsewhere.

    The stream is no branch of x: it has junctions of its own, and the affine map begins another stream (Han et
    al. 2021: "Transformer in Transformer"), or is an input that each step of a loop takes once more.
    """
    if not any(junction.paths.shortcut.kind == "projection" for junction in joined):
        return joined
    post_dominators = PostDominators(graph)

    def reads(outer: JoinedAddition, inner: JoinedAddition) -> bool:
        value = (inner.sum, 0)
        return (
            graph.rank[outer.paths.shortcut.x[0]] < graph.rank[inner.sum] < graph.rank[outer.sum]
            and all(dominators.dominates(value, edge) for edge in outer.paths.branch)
            and not post_dominators.post_dominates(outer.sum, value)
        )

    return [
        junction
        for junction in joined
        if junction.paths.shortcut.kind != "projection" or not any(reads(junction, other) for other in joined)
    ]


def _is_broadcast(junction: JoinedAddition) -> bool:
    """Return whether the branch has fewer elements than the sum."""
    size = math.prod(junction.addition.shape)
    return all(math.prod(node._input_metadata[output].shape) < size for node, output in junction.paths.branch)
