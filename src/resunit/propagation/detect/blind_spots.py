"""Naming the calls that the instrument could not look into, so that no hidden junction counts as absent."""

import itertools
from collections import Counter

from torch.autograd.function import BackwardCFunction

from resunit.io.format import counted
from resunit.propagation.detect.graph import Graph, Node, operation_of
from resunit.propagation.detect.recorder import ForwardRecorder
from resunit.propagation.detect.shortcut_kinds import split_addition

COMPILED = ("CompiledFunction", "DifferentiableGraph")  # the nodes of torch.compile and of TorchScript


def describe_blind_spots(
    recorder: ForwardRecorder, graph: Graph, custom_functions_after: Counter[str]
) -> list[str]:
    """Return a sentence, with the remedy, about each kind of call that may hide a junction or change its sum.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
        custom_functions_after: how often each custom autograd function follows an addition.
    """
    sentences = [
        f"{counted(count, 'addition')} in {module or 'the model'} ran without gradients (torch.no_grad, "
        "re-entrant checkpointing, a custom autograd function): what they join was not seen; "
        "use checkpointing with use_reentrant=False"
        for module, count in recorder.without_gradient.items()
    ]
    if compiled := sum(operation_of(node) in COMPILED for node in graph.children):
        sentences.append(
            f"{counted(compiled, 'compiled or scripted function')} could not be looked into; "
            "measure with the Python functions they were made of"
        )
    recorded = {addition.sum for addition in recorder.additions}
    if inside := sum(_is_unrecorded_junction(graph, node) for node in graph.children if node not in recorded):
        sentences.append(
            f"{counted(inside, 'junction')} inside functions whose additions Python does not see "
            "(TorchScript, vmap, recurrent layers) could not be measured; "
            "write the addition out in forward()"
        )
    if joining := [operation_of(node) for node in graph.children if _may_join(graph, node)]:
        sentences.append(
            f"{counted(len(joining), 'custom autograd function')} "
            f"({', '.join(dict.fromkeys(joining))}) may add a value and a function of it, which is not seen; "
            "write the addition out in forward()"
        )
    sentences += [
        f"what {name} does after {counted(count, 'addition')} was not seen: it may set values to zero; "
        "measure with torch's own functions in its place"
        for name, count in custom_functions_after.items()
    ]
    return sentences


def _is_unrecorded_junction(graph: Graph, node: Node) -> bool:
    """Return whether a node is a junction, although no call of a torch function made it."""
    edges = graph.children[node]
    return (
        operation_of(node) == "Add"
        and len(edges) == 2
        and split_addition(graph, [edges[0]], [edges[1]]) is not None
    )


def _may_join(graph: Graph, node: Node) -> bool:
    """Return whether a custom autograd function takes both a value and a branch from this value."""
    if not isinstance(node, BackwardCFunction) or operation_of(node) in COMPILED:
        return False
    return any(
        (paths := split_addition(graph, [one], [other])) is not None
        and paths.shortcut.kind in ("identity", "scale", "operations")
        for one, other in itertools.combinations(graph.children[node], 2)
    )
