"""Finding learned tokens: values made of parameters alone that are a stream all the same."""

from collections import Counter

from resunit.propagation.detect.graph import Edge, Graph, Node
from resunit.propagation.detect.recorder import ForwardRecorder


def learned_tokens(recorder: ForwardRecorder, graph: Graph) -> list[Node]:
    """Return the nodes of values made of parameters alone that branches take and are added to.

    Class tokens and the queries of decoders are such values. A table of positions or a bias is only added,
    and a weight is a parameter itself, so neither is one.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
    """
    tokens: list[Node] = []
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
            if len(edges) != 1 or times[edges[0]] > 1:
                continue
            node = edges[0][0]
            if node not in graph.parameters_alone or not node.next_functions:
                continue
            if any(other in graph for other, _ in others) and _takes(graph, others, node):
                tokens.append(node)
    return tokens


def _takes(graph: Graph, values: list[Edge], token: Node) -> bool:
    """Return whether values are computed from a token."""
    seen: set[Node] = set()
    waiting = [node for node, _ in values]
    while waiting:
        node = waiting.pop()
        if node is token:
            return True
        if node not in seen and graph.rank.get(node, 0) > graph.rank[token]:
            seen.add(node)
            waiting += [child for child, _ in node.next_functions if child is not None]
    return False
