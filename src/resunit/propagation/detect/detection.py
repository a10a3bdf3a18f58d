"""Finding the junctions of a network in one forward pass."""

from typing import Any

import torch
from torch import nn

from resunit.errors import PropagationError
from resunit.propagation.detect.blind_spots import describe_blind_spots
from resunit.propagation.detect.descriptions import Describer
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.detect.graph import Graph, Node
from resunit.propagation.detect.recorder import ForwardRecorder
from resunit.propagation.detect.search import find_junctions
from resunit.propagation.detect.tokens import learned_tokens
from resunit.propagation.detect.unmeasurable import describe_unmeasurable
from resunit.propagation.forward.call_tracing import CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import Loss, check_differentiable, compute_loss
from resunit.propagation.forward.nested import tensors_in


def detect_junctions(model: nn.Module, inputs: Any, targets: Any, loss: Loss | None) -> Detection:
    """Find the junctions of `model` in one forward pass.

    The caller preserves the state of the model, and lets its parameters require gradients.

    Args:
        model: the network.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: what the loss compares the output with.
        loss: a function of output and targets that returns a scalar; None for the default loss.

    Raises:
        PropagationError: the network does not run on the inputs, or no gradient reaches the loss.
    """
    with torch.enable_grad():
        given = Inputs.of(inputs)
    recorder = ForwardRecorder([tensor for tensor in given.tensors() if not tensor.is_floating_point()])
    recorder.sources += [tensor.grad_fn for tensor in given.tensors() if tensor.is_floating_point()]
    with torch.enable_grad():
        with CallTracer(model, recorder.on_call, recorder.on_module_boundary):
            output = run_forward(model, given)
        value = compute_loss(output, targets, loss)
    check_differentiable(value)
    graph, beginnings = _graph(recorder, value.grad_fn)
    junctions = find_junctions(recorder, graph)
    others = [tensor.grad_fn for tensor in tensors_in(output) if tensor.grad_fn is not None]
    describer = Describer(recorder, graph, junctions)
    unseen = [
        *beginnings,
        *describe_blind_spots(recorder, graph, junctions, describer.custom_functions_after),
        *describe_unmeasurable(recorder, graph, junctions, others),
    ]
    return Detection(tuple(describer.found), tuple(unseen), junctions.examined, len(graph.children))


def _graph(recorder: ForwardRecorder, root: Node) -> tuple[Graph, list[str]]:
    """Return the graph, and a sentence if gradients begin behind the inputs."""
    graph = Graph([root], recorder.sources, recorder.unchanged)
    if graph.children:
        tokens = learned_tokens(recorder, graph)
        if tokens:
            graph = Graph([root], [*recorder.sources, *tokens], recorder.unchanged)
        return graph, []
    # No gradient reaches the inputs, as behind a frozen stem: the graph begins where gradients do.
    beginnings = [node for node, edges in recorder.hidden.items() if edges]
    graph = Graph([root], [*recorder.sources, *beginnings], recorder.unchanged)
    if not graph.children:
        raise PropagationError(
            "the loss does not depend on any tensor of the inputs; "
            "give them as tensors, or in tuples, lists and mappings"
        )
    modules = recorder.modules_of(node for node in beginnings if node in graph)
    return graph, [
        f"gradients begin in {modules}, because what comes before runs under torch.no_grad or is detached: "
        "the network was measured from there on"
    ]
