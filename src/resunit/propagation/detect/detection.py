"""Finding the junctions of a network in one forward pass."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from resunit.errors import PropagationError
from resunit.io.format import format_count
from resunit.propagation.detect.blind_spots import describe_blind_spots
from resunit.propagation.detect.descriptions import Describer
from resunit.propagation.detect.found_junction import Detection
from resunit.propagation.detect.graph import Graph, Node, operation_of
from resunit.propagation.detect.recorder import ForwardRecorder, name_modules
from resunit.propagation.detect.search import find_junctions
from resunit.propagation.detect.tokens import learned_tokens
from resunit.propagation.detect.unmeasurable import describe_unmeasurable
from resunit.propagation.detect.weight_layers import find_weight_layers
from resunit.propagation.forward.call_tracing import CallSite, CallTracer
from resunit.propagation.forward.differences import Product, ProductSite
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import Loss, check_differentiable, compute_loss
from resunit.propagation.forward.nested import tensors_in

MOST_EXPANSIONS = (
    3  # passes in which products with differences are written out, those of such products as well
)


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
    recorded = _record(model, inputs, targets, loss)
    beginnings: list[str] = []
    begins_at = recorded.recorder.constants.streams(recorded.recorder.sources)
    if recorded.is_cut_off():
        # No gradient reaches the inputs, as behind a frozen stem: the values that it makes are given gradients.
        beginnings = [_describe_beginnings(recorded)]
        begins_at |= recorded.recorder.begins_at
    if begins_at:
        recorded = _record(model, inputs, targets, loss, begins_at)
    for _ in range(MOST_EXPANSIONS):
        if not (added := _products_in_sums(recorded)):
            break
        recorded = _record(model, inputs, targets, loss, begins_at, recorded.expanded | added)
    recorder, output = recorded.recorder, recorded.output
    graph, unmeasured = _graph(recorder, recorded.root)
    junctions = find_junctions(recorder, graph)
    others = [tensor.grad_fn for tensor in tensors_in(output) if tensor.grad_fn is not None]
    describer = Describer(recorder, graph, junctions)
    hidden = [
        *_describe_tokens(unmeasured),
        *describe_blind_spots(recorder, graph, junctions, describer.custom_functions_after),
        *describe_unmeasurable(recorder, graph, junctions, others),
    ]
    return Detection(
        tuple(describer.found),
        (*beginnings, *hidden),
        junctions.examined,
        len(graph.children),
        junctions.concatenated,
        recorded.begins_at,
        recorded.expanded,
        bool(hidden),
        () if describer.found else find_weight_layers(recorder, graph),
    )


@dataclass(frozen=True)
class _RecordedPass:
    """A forward pass that was recorded.

    Attributes:
        recorder: what it showed.
        output: what the network returned.
        root: the node of the loss.
        begins_at: the calls whose results were given gradients.
        expanded: the products with differences that were written out.
        products: the other ones.
    """

    recorder: ForwardRecorder
    output: Any
    root: Node
    begins_at: frozenset[CallSite]
    expanded: frozenset[ProductSite]
    products: tuple[Product, ...]

    def is_cut_off(self) -> bool:
        """Return whether the loss depends on the inputs only through values without gradients."""
        return (
            bool(self.recorder.begins_at)
            and not Graph([self.root], self.recorder.sources, self.recorder.unchanged).children
        )


def _record(
    model: nn.Module,
    inputs: Any,
    targets: Any,
    loss: Loss | None,
    begins_at: frozenset[CallSite] = frozenset(),
    expanded: frozenset[ProductSite] = frozenset(),
) -> _RecordedPass:
    """Run the network once."""
    with torch.enable_grad():
        given = Inputs.of(inputs)
    recorder = ForwardRecorder([tensor for tensor in given.tensors() if not tensor.is_floating_point()])
    recorder.sources += [tensor.grad_fn for tensor in given.tensors() if tensor.is_floating_point()]
    with torch.enable_grad():
        with CallTracer(model, recorder.on_call, recorder.on_module_boundary, begins_at, expanded) as tracer:
            output = run_forward(model, given)
        value = compute_loss(output, targets, loss)
    check_differentiable(value)
    recorder.sources += [node for site in begins_at for node in recorder.nodes_made_at(site)]
    products = tuple(tracer.differences.products)
    return _RecordedPass(recorder, output, value.grad_fn, begins_at, expanded, products)


def _products_in_sums(recorded: _RecordedPass) -> frozenset[ProductSite]:
    """Return the products with differences that are only added, and whose differences nothing else takes."""
    if not recorded.products:
        return frozenset()
    graph = Graph([recorded.root], recorded.recorder.sources, recorded.recorder.unchanged)

    def is_added(node: Node) -> bool:
        users = graph.users[node]
        if len(users) == 1 and operation_of(users[0]) == "Neg":
            return is_added(users[0])
        return len(users) == 1 and operation_of(users[0]) == "Add" and len(graph.children[users[0]]) == 2

    return frozenset(
        product.site
        for product in recorded.products
        if graph.users.get(product.difference) == [product.result] and is_added(product.result)
    )


def _describe_beginnings(recorded: _RecordedPass) -> str:
    recorder = recorded.recorder
    beginnings = [node for node, edges in recorder.hidden.items() if edges] + recorder.late_sources
    graph = Graph([recorded.root], [*recorder.sources, *beginnings], recorder.unchanged)
    modules = recorder.modules_of(node for node in beginnings if node in graph)
    return (
        f"gradients begin in {modules}, because what comes before runs under torch.no_grad or is detached: "
        "the network was measured from there on"
    )


def _describe_tokens(unmeasured: list[str]) -> list[str]:
    if not unmeasured:
        return []
    return [
        f"{format_count(len(unmeasured), 'junction')} in {name_modules(unmeasured)} could not be measured, because "
        "learned tokens are added to a function of them alone and serve as positions as well; give the positions "
        "parameters of their own"
    ]


def _graph(recorder: ForwardRecorder, root: Node) -> tuple[Graph, list[str]]:
    """Return the graph of the loss, and the modules that add to learned tokens what cannot be measured."""
    sources = [*recorder.sources, *recorder.late_sources]
    graph = Graph([root], sources, recorder.unchanged)
    if not graph.children:
        raise PropagationError(
            "the loss does not depend on any tensor of the inputs; "
            "give them as tensors, or in tuples, lists and mappings"
        )
    tokens = learned_tokens(recorder, graph)
    if tokens.nodes:
        graph = Graph([root], [*sources, *tokens.nodes], recorder.unchanged)
    return graph, tokens.unmeasured
