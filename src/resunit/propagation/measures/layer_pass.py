"""Measuring the weight layers of a network without junctions: the signal and its gradient by depth."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.propagation.detect.found_junction import Detection, FoundLayer
from resunit.propagation.forward.call_tracing import CallSite, CallTracer
from resunit.propagation.forward.inputs import Inputs, run_forward
from resunit.propagation.forward.loss import (
    Loss,
    check_differentiable,
    compute_loss,
    scale_for_half_precision,
)
from resunit.propagation.forward.nested import tensors_in
from resunit.propagation.layer import Layer
from resunit.propagation.measures.backward_errors import explain_backward
from resunit.propagation.measures.reductions import energy, flatten_alike, to_numbers

NOT_REACHED = "this batch did not reach the layer"
NOT_FINITE = "the signal is not finite"
NO_GRADIENT = "no gradient of the loss reaches the layer"
NO_LAST_GRADIENT = "no finite gradient of the loss reaches the last layer"
NO_WEIGHTS = "the weights are zero"


class _Norms(NamedTuple):
    """The norms of one layer; None is one that the pass did not show."""

    shape: tuple[int, ...]
    signal: float | None
    gradient: float | None
    weight_gradient: float | None  # relative to the norm of the weights


def measure_layers(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, detection: Detection
) -> list[Layer]:
    """Return the weight layers of a network as they are in one forward and one backward pass.

    The caller preserves the state of the model.

    Args:
        model: the network.
        inputs: a tensor, a tuple or list of arguments, or a mapping of keyword arguments.
        targets: what the loss compares the output with.
        loss: a function of output and targets that returns a scalar; None for the default loss.
        detection: the weight layers of the network.

    Raises:
        PropagationError: the network does not run on the inputs, or has no backward pass.
    """
    found = detection.layers
    norms = _run_pass(model, inputs, targets, loss, detection)
    last = norms[-1]
    return [_make_layer(layer, of_layer, last) for layer, of_layer in zip(found, norms, strict=True)]


def _run_pass(
    model: nn.Module, inputs: Any, targets: Any, loss: Loss | None, detection: Detection
) -> list[_Norms]:
    layers = detection.layers
    at_call: defaultdict[CallSite, list[int]] = defaultdict(list)
    for number, layer in enumerate(layers):
        at_call[layer.location.call].append(number)
    shapes: dict[int, tuple[int, ...]] = {}
    signals: dict[int, Tensor] = {}
    gradients: dict[int, Tensor] = {}

    def on_value(site: CallSite, value: Any) -> None:
        tensors = list(tensors_in(value)) if site in at_call else []
        for number in at_call.get(site, ()):
            position = layers[number].location.position
            if position < len(tensors):
                z = tensors[position]
                shapes[number], signals[number] = tuple(z.shape), _energy(z)
                if z.requires_grad:
                    z.register_hook(
                        lambda gradient, number=number: gradients.update({number: _energy(gradient)})
                    )

    def on_call(site: CallSite, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        on_value(site, result)
        return result

    weights = list({id(weight): weight for layer in layers for weight in layer.weights}.values())
    with torch.enable_grad():
        given = Inputs.of(inputs)
        with CallTracer(model, on_call, on_value, detection.begins_at, detection.expanded):
            output = run_forward(model, given)
        value = compute_loss(output, targets, loss)
        check_differentiable(value)
        value = scale_for_half_precision(value, output)
        try:
            of_weights = torch.autograd.grad(value, weights, allow_unused=True)
        except RuntimeError as error:
            raise PropagationError(explain_backward(error, value.grad_fn)) from error
    relative = dict(zip(map(id, weights), zip(weights, of_weights, strict=True), strict=True))
    return [
        _Norms(
            shapes.get(number, layer.shape),
            _root(signals.get(number)),
            _root(gradients.get(number)),
            _relative_gradient([relative[id(weight)] for weight in layer.weights]),
        )
        for number, layer in enumerate(layers)
    ]


def _energy(tensor: Tensor) -> Tensor:
    """Return the sum of squares in double precision, in which squares neither vanish nor overflow."""
    with torch.no_grad():
        (flat,) = flatten_alike(tensor.detach(), careful=True)
        return energy(flat)


def _root(value: Tensor | None) -> float | None:
    return None if value is None else math.sqrt(value.item())


def _relative_gradient(pairs: Sequence[tuple[Tensor, Tensor | None]]) -> float | None:
    """Return ||dE/dW|| / ||W|| of the weights of one layer, or None if it does not exist."""
    of_gradients = [_energy(gradient) for _, gradient in pairs if gradient is not None]
    of_weights = [_energy(weight) for weight, _ in pairs]
    if not of_gradients:
        return None
    numbers = to_numbers([torch.stack(of_gradients).sum(), torch.stack(of_weights).sum()])
    return math.sqrt(numbers[0] / numbers[1]) if numbers[1] else None


def _make_layer(found: FoundLayer, norms: _Norms, last: _Norms) -> Layer:
    measures: dict[str, float | None] = {
        "signal_rms": None
        if norms.signal is None
        else norms.signal / math.sqrt(max(1, math.prod(norms.shape))),
        "gradient_gain": _ratio(norms.gradient, last.gradient),
        "weight_gradient_gain": _ratio(norms.weight_gradient, last.weight_gradient),
    }
    known = {name: value for name, value in measures.items() if value is not None and math.isfinite(value)}
    absent = {name: _reason(name, norms, last) for name in measures if name not in known}
    function = found.location.call.function
    return Layer(found.name, function, norms.shape, found.passed_by, **known, absent=absent)


def _reason(measure: str, norms: _Norms, last: _Norms) -> str:
    """Return why a measure of a layer is absent."""
    if norms.signal is None:
        return NOT_REACHED
    if not math.isfinite(norms.signal):
        return NOT_FINITE
    if not last.gradient or not math.isfinite(last.gradient):
        return NO_LAST_GRADIENT
    if norms.gradient is None:
        return NO_GRADIENT
    if not math.isfinite(norms.gradient):
        return "the gradient is not finite"
    return NO_WEIGHTS if measure == "weight_gradient_gain" else NO_GRADIENT


def _ratio(value: float | None, last: float | None) -> float | None:
    return None if value is None or not last or not math.isfinite(last) else value / last
