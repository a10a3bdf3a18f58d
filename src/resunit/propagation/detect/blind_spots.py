"""Naming the calls that the instrument could not look into, so that no hidden junction counts as absent."""

from collections import Counter
from collections.abc import Sequence

from resunit.io.format import format_count
from resunit.propagation.detect.graph import REENTRANT, Graph, Node, operation_of
from resunit.propagation.detect.layers import is_custom
from resunit.propagation.detect.recorder import ForwardRecorder, name_modules
from resunit.propagation.detect.search import Junctions

COMPILED = ("CompiledFunction", "DifferentiableGraph")  # the nodes of torch.compile and of TorchScript


def describe_blind_spots(
    recorder: ForwardRecorder, graph: Graph, junctions: Junctions, custom_functions_after: Counter[str]
) -> list[str]:
    """Return a sentence, with the remedy, about each kind of call that may hide a junction or change its sum.

    Args:
        recorder: what the forward pass showed.
        graph: the graph of the forward pass.
        junctions: the junctions of the graph, and the nodes that join without a recorded call.
        custom_functions_after: how often each custom autograd function follows an addition.
    """
    sentences = []
    if without := recorder.without_gradient:
        is_reentrant = any(operation_of(node) == REENTRANT for node in graph.children)
        why, remedy = (
            ("re-entrant checkpointing", "use checkpointing with use_reentrant=False")
            if is_reentrant
            else (
                "torch.no_grad or a custom autograd function",
                "compute them in forward(), with gradients",
            )
        )
        sentences.append(
            f"{format_count(without.total(), 'addition')} in {name_modules(without)} ran without gradients ({why}): "
            f"what they join was not seen; {remedy}"
        )
    if complex_sums := [module for node, module in recorder.complex_sums.items() if node in graph]:
        sentences.append(
            f"{format_count(len(complex_sums), 'addition')} of complex values in {name_modules(complex_sums)} "
            "could not be measured; write the stream in real numbers, as with torch.view_as_real"
        )
    if compiled := sum(operation_of(node) in COMPILED for node in graph.children):
        sentences.append(
            f"{format_count(compiled, 'compiled or scripted function')} could not be looked into; "
            "measure with the Python functions they were made of"
        )
    joining = {node: paths for node, paths in junctions.unrecorded if operation_of(node) not in COMPILED}
    if stacked := junctions.stacked:
        modules = recorder.modules_of(_returned(recorder, graph, stacked))
        sentences.append(
            f"{format_count(len(stacked), 'junction')} in {modules} could not be measured, "
            "because shortcut and branch are put side by side and then summed; write the addition out, as x + f"
        )
    if added := [
        module for node, module in recorder.identity_weights.items() if node in graph.parameters_alone
    ]:
        sentences.append(
            f"{format_count(len(added), 'junction')} in {name_modules(added)} could not be measured, because the "
            "shortcut is inside the weight, as in (I + W) x; write the addition out, as x + W x"
        )
    if inside := [node for node in joining if not is_custom(node)]:
        sentences.append(
            f"{format_count(len(inside), 'junction')} inside functions whose additions Python does not see "
            "(TorchScript, vmap, recurrent cells) could not be measured; "
            "write the addition out in forward()"
        )
    custom = [
        operation_of(node)
        for node, paths in joining.items()
        if is_custom(node) and paths.shortcut.kind in ("identity", "scale", "operations")
    ]
    if custom:
        sentences.append(
            f"{format_count(len(custom), 'custom autograd function')} "
            f"({', '.join(dict.fromkeys(custom))}) may add a value and a function of it, which is not seen; "
            "write the addition out in forward()"
        )
    sentences += [
        f"what {name} does after {format_count(count, 'addition')} was not seen: it may set values to zero; "
        "measure with torch's own functions in its place"
        for name, count in custom_functions_after.items()
    ]
    return sentences


def _returned(recorder: ForwardRecorder, graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes, or what follows them, whose values a call returned: einsum is several nodes."""
    returned = []
    for node in nodes:
        while recorder.location_of((node, 0)) is None and len(graph.users[node]) == 1:
            node = graph.users[node][0]
        returned.append(node)
    return returned
