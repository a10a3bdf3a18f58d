"""Naming the junctions that no gradient of the loss reaches."""

from resunit.io.format import format_count
from resunit.propagation.detect.graph import Graph, Node
from resunit.propagation.detect.recorder import Addition, ForwardRecorder, name_modules
from resunit.propagation.detect.search import Junctions, find_junctions, node_of_sum


def describe_unmeasurable(
    recorder: ForwardRecorder, graph: Graph, junctions: Junctions, outputs: list[Node]
) -> list[str]:
    """Return sentences that name the junctions whose numbers the loss cannot show.

    A branch without gradients (detached, quantised) hides its junction from autograd, and so does an output
    that the loss does not use.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the loss.
        junctions: the junctions of this graph.
        outputs: the nodes of the tensors that the network returns.
    """
    unused = [node for node in outputs if node not in graph]
    has_hidden = any(any(addition.hidden) for addition in recorder.additions) or any(recorder.hidden.values())
    if not unused and not has_hidden:
        return []
    hidden = {node: tuple(dict.fromkeys(edges)) for node, edges in recorder.hidden.items()}
    for addition in recorder.additions:
        behind = [edge for origin in addition.hidden if origin is not None for edge in origin.edges]
        if behind:
            hidden[addition.sum] = (*hidden.get(addition.sum, ()), *behind)
    roots = [*(node for node in graph.children if not graph.users[node]), *unused]
    everything = Graph(roots, recorder.sources, recorder.unchanged, hidden)
    measured = {joined.addition.sum for joined in junctions.joined}
    partial = {adding.call for joined in junctions.joined for adding in joined.calls}
    missing = [
        joined.addition
        for joined in find_junctions(recorder, everything, hidden=True).joined
        if joined.addition.sum not in measured and joined.addition.call not in partial
    ]
    without_gradient = [addition for addition in missing if node_of_sum(graph, addition) is not None]
    elsewhere = [addition for addition in missing if node_of_sum(graph, addition) is None]
    sentences = []
    if without_gradient:
        sentences.append(
            f"{format_count(len(without_gradient), 'junction')} could not be measured, because a branch or shortcut "
            f"without gradient ends there (detach, torch.no_grad or a quantised layer): "
            f"{_names(without_gradient)}; measure the network with gradients there"
        )
    if elsewhere:
        sentences.append(
            f"{format_count(len(elsewhere), 'junction')} could not be measured, because the loss does not depend "
            f"on their outputs: {_names(elsewhere)}; give loss=, a function that uses all outputs"
        )
    return sentences


def _names(additions: list[Addition]) -> str:
    return name_modules(addition.call.module for addition in additions)
