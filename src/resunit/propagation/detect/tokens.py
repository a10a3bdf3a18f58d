"""Finding learned tokens: values made of parameters alone that are a stream all the same."""

from collections import Counter
from typing import NamedTuple

from resunit.propagation.detect.graph import Edge, Graph, Node
from resunit.propagation.detect.layers import sums_products
from resunit.propagation.detect.recorder import ForwardRecorder


class LearnedTokens(NamedTuple):
    """Values made of parameters alone that branches take and are added to.

    Attributes:
        nodes: their nodes.
        unmeasured: the modules that add a function of such a value to it where the value serves as a table of
            positions as well.
    """

    nodes: list[Node]
    unmeasured: list[str]


def learned_tokens(recorder: ForwardRecorder, graph: Graph) -> LearnedTokens:
    """Return the values made of parameters alone that branches take and are added to.

    Class tokens and the queries of decoders are such values. A table of positions or a bias is only added,
    and a weight is a parameter itself, so neither is one. The first attention of a decoder is among its queries
    alone: there the branch is made of parameters alone as well.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
    """
    tokens: list[Node] = []
    unmeasured: dict[Node, str] = {}  # Later sums of the same value add the positions once more.
    # What is added to the signal in several places is a table of positions, although branches take it.
    times = Counter(
        edge
        for addition in recorder.additions
        for edges, others in (addition.edges, addition.edges[::-1])
        if any(node in graph for node, _ in others)
        for edge in edges
    )
    for addition in recorder.additions:
        for index in (0, 1):
            edges, others = addition.edges[index], addition.edges[1 - index]
            if len(edges) != 1:
                continue
            node = edges[0][0]
            if node not in graph.parameters_alone or not node.next_functions:
                continue
            takes = _takes(graph, others, node)
            is_among_tokens = takes.layer and not any(other in graph for other, _ in others)
            if times[edges[0]] > 1:
                if is_among_tokens:
                    unmeasured.setdefault(node, addition.call.module)
            elif takes.token and (is_among_tokens or any(other in graph for other, _ in others)):
                tokens.append(node)
    return LearnedTokens(tokens, list(unmeasured.values()))


class _Takes(NamedTuple):
    """What values are computed from: a token, and by a layer with a weight that the token is no part of."""

    token: bool
    layer: bool


def _takes(graph: Graph, values: list[Edge], token: Node) -> _Takes:
    seen: set[Node] = set()
    waiting = [node for node, _ in values]
    takes_token = has_layer = False
    while waiting:
        node = waiting.pop()
        takes_token = takes_token or node is token
        if node not in seen and graph.rank.get(node, 0) > graph.rank[token]:
            seen.add(node)
            has_layer = has_layer or sums_products(node)
            waiting += [child for child, _ in node.next_functions if child is not None]
    return _Takes(takes_token, takes_token and has_layer)
