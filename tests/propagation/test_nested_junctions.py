"""Junctions within the branches of others: right numbers, and a cost that grows with the depth alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from resunit.propagation import Instrument, measure
from resunit.propagation.detect import products
from resunit.propagation.junction import Junction

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))


class Layers(nn.Module):
    """`count` maps of 8 channels, and a function that makes the output of them and of the input."""

    def __init__(self, compute: Callable[[Any, Tensor], Tensor], count: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(count))
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self.layers, x)


def two_levels(layers: Any, x: Tensor) -> Tensor:
    outer = x
    x = x + torch.tanh(layers[0](x))
    return x + outer


def injected(layers: Any, x: Tensor) -> Tensor:
    """Every layer takes the input once more (looped transformers, adaLN-single)."""
    again = x
    for layer in layers:
        x = x + torch.tanh(layer(x) + again)
    return x


def made(compute: Callable[[Any, Tensor], Tensor], count: int) -> Layers:
    torch.manual_seed(0)
    return Layers(compute, count)


def norm(x: Tensor) -> float:
    return x.double().norm().item()


def test_the_branch_term_of_a_junction_around_another() -> None:
    model = made(two_levels, 1)
    junction = measure(model, X).junctions[1]
    x = X.clone().requires_grad_()
    inner = x + torch.tanh(model.layers[0](x))
    arriving = 2 * (inner + x).detach() / x.numel()
    (by_branch,) = torch.autograd.grad(inner, x, arriving)
    assert junction.gradient_branch == pytest.approx(norm(by_branch) / norm(arriving), rel=1e-5)
    inner_junction = measure(model, X).junctions[0]
    (through_layer,) = torch.autograd.grad(torch.tanh(model.layers[0](x)), x, arriving)
    assert inner_junction.gradient_branch == pytest.approx(norm(through_layer) / norm(arriving), rel=1e-5)


def test_numbers_where_the_input_is_injected() -> None:
    model = made(injected, 4)
    result = measure(model, X)
    x = X.clone().requires_grad_()
    stream = [x]
    for layer in model.layers:
        stream.append(stream[-1] + torch.tanh(layer(stream[-1]) + x))
    gradients = torch.autograd.grad(stream[-1].square().mean(), stream, retain_graph=True)
    outer = [junction for junction in result.junctions if junction.effective_lambda == 1]
    by_gain = {round(norm(g) / norm(gradients[-1]), 4) for g in gradients[1:-1]}
    assert by_gain <= {round(junction.gradient_gain or 0, 4) for junction in outer}


class NodeCount:
    """Counts the nodes that backward passes and products visit, by a hook on each node of the graph."""

    def __init__(self) -> None:
        self.visits = 0
        self.nodes: set[Any] = set()

    def watch(self, value: Tensor) -> None:
        waiting = [value.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in self.nodes:
                self.nodes.add(node)
                node.register_hook(self.count)
                waiting += [child for child, _ in node.next_functions]

    def count(self, _inputs: Any, _outputs: Any) -> None:
        self.visits += 1


class Cost(NamedTuple):
    """What a measurement with known junctions costs.

    Attributes:
        passes: the number of backward passes.
        visits: how many nodes the passes visit, and products that are made without a pass.
        nodes: how many nodes the graph has.
    """

    passes: int
    visits: int
    nodes: int


def cost_of_a_measurement(model: nn.Module) -> Cost:
    """Measure a network with known junctions, and count."""
    counts = NodeCount()
    passes = 0
    grad, visit = torch.autograd.grad, products.visit

    def counted_grad(*args: Any, **options: Any) -> Any:
        nonlocal passes
        passes += 1
        return grad(*args, **options)

    def counted_visit(*args: Any) -> Any:
        counts.visits += 1
        return visit(*args)

    def loss(output: Tensor, _: Any) -> Tensor:
        value = output.square().mean()
        counts.watch(value)
        return value

    instrument = Instrument(model)
    instrument.detect(X, loss=loss)
    counts = NodeCount()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", counted_grad)
        patch.setattr(products, "visit", counted_visit)
        instrument.measure(X, loss=loss)
    return Cost(passes, counts.visits, len(counts.nodes))


@pytest.mark.parametrize("compute", [injected, lambda layers, x: two_levels(layers, x)])
@pytest.mark.parametrize("depth", [40, 120])
def test_the_visits_grow_with_the_depth_alone(compute: Callable[[Any, Tensor], Tensor], depth: int) -> None:
    cost = cost_of_a_measurement(made(compute, depth))
    assert cost.passes == 1
    assert cost.visits <= max(400, 4 * cost.nodes), (
        "one pass, and products over at most about twice the graph"
    )


def test_what_is_left_out_is_named() -> None:
    result = measure(made(injected, 60), X)
    left_out = [junction for junction in result.junctions if junction.gradient_branch is None]
    assert left_out
    assert any("gradient_branch" in sentence and left_out[0].name in sentence for sentence in result.absent)
    assert all(junction.gradient_gain is not None for junction in result.junctions)
    short = measure(made(injected, 8), X)
    assert all(junction.gradient_branch is not None for junction in short.junctions)


@pytest.mark.parametrize("depth", [6, 14, 30])
def test_units_visit_no_more_than_a_training_step(depth: int) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(0.9 * x + torch.tanh(self.layer(x)))

    cost = cost_of_a_measurement(nn.Sequential(*(Scaled() for _ in range(depth))))
    # One backward pass; the shortcut once for its own term, once for the direct term and once for h alone,
    # and f once: less than two passes.
    assert cost.passes <= 2, "a second one sums in double precision, if the direct term is small"
    assert cost.visits <= 2 * cost.nodes * cost.passes


def parallel(layers: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tanh(layers[0](x)), torch.tanh(layers[1](x))


def chained(layers: Any, x: Tensor) -> Tensor:
    first, second = parallel(layers, x)
    return x + first + second


def added_first(layers: Any, x: Tensor) -> Tensor:
    first, second = parallel(layers, x)
    return x + (first + second)


def in_place(layers: Any, x: Tensor) -> Tensor:
    first, second = parallel(layers, x)
    y = x.clone()
    y += first
    y += second
    return y


@pytest.mark.parametrize("compute", [chained, added_first, in_place])
def test_parallel_branches_however_they_are_added(compute: Callable[[Any, Tensor], Tensor]) -> None:
    model = made(compute, 2)
    (junction,) = measure(model, X).junctions
    x = X.clone().requires_grad_()
    first, second = parallel(model.layers, x)
    arriving = 2 * (x + first + second).detach() / x.numel()
    (term,) = torch.autograd.grad(first + second, x, arriving)
    assert junction.gradient_branch == pytest.approx(norm(term) / norm(arriving), rel=1e-5)
    assert junction.gradient_gain == pytest.approx(norm(arriving + term) / norm(arriving), rel=1e-5)
    assert junction.exact
    check_input_and_sign(junction, x, first + second)


def onto_x_itself(layers: Any, x: Tensor) -> Tensor:
    x = 1.0 * x  # The network may not change its input,
    first, second = parallel(layers, 0.5 * x)  # and the layers need a value that stays.
    x += first
    x += second
    return x


def test_parallel_branches_that_are_added_in_place_to_x_itself() -> None:
    model = made(onto_x_itself, 2)
    junctions = measure(model, X).junctions
    x = X.clone().requires_grad_()
    branches = parallel(model.layers, 0.5 * x)
    arriving = 2 * (x + branches[0] + branches[1]).detach() / x.numel()
    for junction, branch in zip(junctions, branches, strict=True):
        (term,) = torch.autograd.grad(branch, x, arriving, retain_graph=True)
        assert junction.gradient_branch == pytest.approx(norm(term) / norm(arriving), rel=1e-5)
        assert not junction.exact
        check_input_and_sign(junction, 0.5 * x, branch)


def check_input_and_sign(junction: Junction, taken: Tensor, branch: Tensor) -> None:
    """Compare what the branch's first weight layer takes, and the minimum of the branch."""
    assert junction.weight_input_rms == pytest.approx(taken.square().mean().sqrt().item(), rel=1e-5)
    assert junction.branch_minimum == pytest.approx(branch.min().item(), rel=1e-5)
