"""Layers that add the outputs of all earlier ones: the cost of a measurement stays that of a few passes."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from resunit.propagation import Instrument, measure
from tests.propagation.test_nested_junctions import X, cost_of_a_measurement, made, norm


def into_layers(layers: Any, x: Tensor) -> Tensor:
    """Every layer takes the sum of all earlier outputs."""
    outputs = [x]
    for layer in layers:
        outputs.append(torch.tanh(layer(sum(outputs))))
    return sum(outputs, torch.zeros_like(x))


def into_units(layers: Any, x: Tensor) -> Tensor:
    """Every unit takes the sum of all earlier outputs, and returns it with its branch."""
    outputs = [x]
    for layer in layers:
        total = sum(outputs, torch.zeros_like(x))
        outputs.append(0.1 * (total + torch.tanh(layer(total))))
    return sum(outputs, torch.zeros_like(x))


def onto_layers(layers: Any, x: Tensor) -> Tensor:
    """All earlier outputs are added to the output of every layer."""
    outputs = [x]
    for layer in layers:
        y = torch.tanh(layer(outputs[-1]))
        for output in outputs:
            y = y + 0.1 * output
        outputs.append(y)
    return outputs[-1]


DENSE = [into_layers, into_units, onto_layers]
DEEP = pytest.param(80, marks=pytest.mark.full)


@pytest.mark.parametrize("compute", DENSE)
@pytest.mark.parametrize("depth", [16, DEEP])
def test_the_backward_passes_visit_three_times_the_graph_and_the_direct_pass(
    compute: Callable[[Any, Tensor], Tensor], depth: int
) -> None:
    cost = cost_of_a_measurement(made(compute, depth))
    assert cost.nodes > depth * depth / 2
    assert cost.passes == 1
    assert cost.visits <= (3 + 1) * cost.nodes


def calls_of_a_detection(compute: Callable[[Any, Tensor], Tensor], depth: int) -> tuple[int, int]:
    """Return how many functions a detection calls, and how many nodes the graph has."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    instrument = Instrument(made(compute, depth))
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        detection = instrument.detect(X)
    finally:
        sys.setprofile(before)
    return calls, detection.nodes


@pytest.mark.parametrize("compute", DENSE)
def test_the_detection_costs_less_than_the_square_of_the_nodes(
    compute: Callable[[Any, Tensor], Tensor],
) -> None:
    few, small = calls_of_a_detection(compute, 8)
    many, large = calls_of_a_detection(compute, 32)
    assert many / few <= (large / small) ** 1.5


def test_the_gradients_are_those_of_plain_autograd() -> None:
    model = made(into_layers, 6)
    junctions = measure(model, X).junctions
    outputs, sums = [X.clone().requires_grad_()], []
    for layer in model.layers:
        sums.append(sum(outputs, torch.zeros_like(X)))
        outputs.append(torch.tanh(layer(sums[-1])))
    end = sum(outputs, torch.zeros_like(X))
    sums.append(end)
    gradients = [norm(g) for g in torch.autograd.grad(end.square().mean(), [outputs[0], *sums[1:]])]
    assert len(junctions) == 6
    measured = [junction.gradient_gain for junction in junctions]
    assert measured[0] == pytest.approx(gradients[0] / gradients[-1], rel=1e-5)
