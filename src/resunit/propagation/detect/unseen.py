"""What a pass did where the instrument could not look, in sentences: never reported as a silent zero."""

import itertools
from collections import Counter

from torch.autograd.function import BackwardCFunction

from resunit.io.format import counted
from resunit.propagation.detect.graph import Graph, Node
from resunit.propagation.detect.kinds import junction, operation
from resunit.propagation.detect.sightings import Sightings

OPAQUE = ("CompiledFunction", "DifferentiableGraph")  # nodes of torch.compile and of TorchScript


def unseen(sightings: Sightings, graph: Graph, custom_after: Counter[str]) -> list[str]:
    """A sentence with the remedy for each way to hide a junction, or what happens to its sum, that was met.

    `custom_after` counts the custom autograd functions that follow additions.
    """
    sentences = [
        f"{counted(count, 'addition')} in {module or 'the model'} ran without gradients (torch.no_grad, "
        "re-entrant checkpointing, a custom autograd function): what they join was not seen; "
        "use checkpointing with use_reentrant=False"
        for module, count in sightings.without_gradient.items()
    ]
    if opaque := sum(operation(node) in OPAQUE for node in graph.children):
        sentences.append(
            f"{counted(opaque, 'compiled or scripted function')} could not be looked into; "
            "measure with the Python functions they were made of"
        )
    known_sums = {seen.sum for seen in sightings.additions}
    if inside := sum(_adds_unseen(graph, node) for node in graph.children if node not in known_sums):
        sentences.append(
            f"{counted(inside, 'junction')} inside functions whose additions Python does not see "
            "(TorchScript, vmap, recurrent layers) could not be measured; "
            "write the addition out in forward()"
        )
    if joining := [operation(node) for node in graph.children if _may_join(graph, node)]:
        sentences.append(
            f"{counted(len(joining), 'custom autograd function')} "
            f"({', '.join(dict.fromkeys(joining))}) may add a value and a function of it, which is not seen; "
            "write the addition out in forward()"
        )
    sentences += [
        f"what {name} does after {counted(count, 'addition')} was not seen: it may set values to zero; "
        "measure with torch's own functions in its place"
        for name, count in custom_after.items()
    ]
    return sentences


def _adds_unseen(graph: Graph, node: Node) -> bool:
    """Is it an addition and a junction, which the graph shows where no torch function above autograd did?"""
    edges = graph.children[node]
    return (
        operation(node) == "Add" and len(edges) == 2 and junction(graph, [edges[0]], [edges[1]]) is not None
    )


def _may_join(graph: Graph, node: Node) -> bool:
    """Is it a custom autograd function, of a value that a shortcut could bring and of a branch from there?"""
    if not isinstance(node, BackwardCFunction) or operation(node) in OPAQUE:
        return False
    return any(
        (meeting := junction(graph, [one], [other])) is not None
        and meeting.shortcut.kind in ("identity", "scale", "operations")
        for one, other in itertools.combinations(graph.children[node], 2)
    )
