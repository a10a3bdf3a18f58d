"""Junctions are found and measured in whatever way the network is written; right values from plain autograd."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import Instrument, measure
from resunit.propagation.detect import reach
from resunit.propagation.detect.graph import Graph
from tests.propagation.toy import detected, kinds, known
from tests.propagation.written import Written

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
SEQUENCES = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))


def f(m: Written, x: Tensor, layer: int = 0) -> Tensor:
    return torch.tanh(m.layers[layer](x))


def transposed_between(m: Written, x: Tensor) -> Tensor:
    x = (x + f(m, x)).transpose(1, 2)
    return (x + f(m, x.mT, 1).mT).mT


LAYOUTS: dict[str, tuple[Callable[[Written, Tensor], Tensor], int]] = {
    "between": (transposed_between, 2),
    "on the shortcut": (lambda m, x: (x.mT + f(m, x).mT).mT, 1),
    "permuted": (lambda m, x: (x.permute(2, 0, 1) + f(m, x).permute(2, 0, 1)).permute(1, 2, 0), 1),
    "rolled": (lambda m, x: (x + f(m, x)).roll(2, 1), 1),
    "flipped": (lambda m, x: (x + f(m, x)).flip(-1), 1),
    "windows": (
        lambda m, x: (x + f(m, x)).view(2, 5, 2, 4).transpose(1, 2).reshape(4, 5, 4).view(2, 2, 5, 4)
        .transpose(1, 2).reshape(2, 5, 8),
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_moving_elements_changes_nothing_of_the_signal(name: str) -> None:
    torch.manual_seed(0)
    join, count = LAYOUTS[name]
    model = nn.Sequential(Written(join), Written(join))
    junctions = measure(model, SEQUENCES).junctions
    assert [junction.kind for junction in junctions] == ["identity"] * 2 * count
    for junction in junctions:
        assert (junction.effective_lambda, junction.stage) == (1, 1)
        assert known(junction.closure_error) < 1e-6
    for junction in junctions[:-1]:
        assert junction.f_scale == pytest.approx(1, rel=1e-5)
        assert junction.f_r2 == pytest.approx(1, rel=1e-5)


def test_a_scaled_and_transposed_shortcut_is_compared_element_by_element() -> None:
    model = Written(lambda m, x: (0.25 * x.mT + f(m, x).mT).mT)
    (junction,) = measure(model, SEQUENCES).junctions
    assert junction.kind == "scale"
    assert junction.effective_lambda == pytest.approx(0.25, rel=1e-5)
    assert junction.lambda_r2 == pytest.approx(1, rel=1e-5)


def test_a_layout_holds_for_another_batch_size() -> None:
    instrument = Instrument(nn.Sequential(*(Written(transposed_between) for _ in range(2))))
    instrument.measure(SEQUENCES)
    again = instrument.measure(SEQUENCES[:1])
    assert all(junction.f_scale == pytest.approx(1, rel=1e-5) for junction in again.junctions[:-1])


def into_a_view(m: Written, x: Tensor) -> Tensor:
    y = m.layers[0](x).view(x.shape)
    y += x
    return y + f(m, y, 1)


def into_a_view_of_what_goes_on(m: Written, x: Tensor) -> Tensor:
    y = m.layers[0](x)
    y.view(2, 16).add_(x.view(2, 16))
    return y + f(m, y, 1)


@pytest.mark.parametrize("join", [into_a_view, into_a_view_of_what_goes_on])
def test_an_addition_in_place_into_a_view(join: Any) -> None:
    torch.manual_seed(0)
    model = Written(join)
    first, second = measure(model, X).junctions
    x = X.clone().requires_grad_()
    branch = model.layers[0](x)
    y = x + branch
    z = y + f(model, y, 1)
    at_x, at_y, at_z = torch.autograd.grad(z.square().mean(), [x, y, z], retain_graph=True)
    (by_branch,) = torch.autograd.grad(branch, x, at_y)
    last = at_z.double().norm()
    assert first.gradient_gain == pytest.approx((at_x.double().norm() / last).item(), rel=1e-5)
    assert first.gradient_branch == pytest.approx((by_branch.double().norm() / last).item(), rel=1e-5)
    assert second.gradient_gain == pytest.approx((at_y.double().norm() / last).item(), rel=1e-5)


def sinkhorn(iterations: int) -> Callable[[Written, Tensor], Tensor]:
    def join(m: Written, x: Tensor) -> Tensor:
        matrix = m.matrix.exp()
        for _ in range(iterations):
            matrix = matrix / matrix.sum(-1, keepdim=True)
            matrix = matrix / matrix.sum(-2, keepdim=True)
        return matrix @ x + f(m, x)

    return join


def test_what_is_computed_from_parameters_alone_is_visited_once() -> None:
    for iterations in (20, 200):
        model = Written(sinkhorn(iterations))
        assert kinds(model, X) == {"projection": 1}
        x = X.clone().requires_grad_().clone()
        graph = Graph([model(x).grad_fn], [x.grad_fn], set())
        assert all(len(parameters) <= 1 for parameters in graph.parameters_alone.values())


def token_shift(m: Written, x: Tensor) -> Tensor:
    n = functional.layer_norm(x, (8,))
    return x + f(m, n * m.scale + functional.pad(n, (0, 0, 1, -1)) * (1 - m.scale))


def learned_activation(m: Written, x: Tensor) -> Tensor:
    h = m.layers[0](x)
    return x + m.layers[1](torch.where(h > 0, m.scale * h * h + 0.5 * h, m.scale * torch.expm1(h) + 0.5 * h))


def response_normalisation(m: Written, x: Tensor) -> Tensor:
    h = f(m, x)
    norm = h.norm(dim=1, keepdim=True)
    return x + m.layers[1](h + m.token + m.scale * (h * norm / norm.mean(-1, keepdim=True)))


def rotary(m: Written, x: Tensor) -> Tensor:
    q = m.layers[0](x)
    return x + m.layers[1](q * m.scale.cos() + q.roll(4, -1) * m.scale.sin())


def relative_positions(m: Written, x: Tensor) -> Tensor:
    q, k = m.layers[0](x), m.layers[1](x)
    scores = q @ k.mT + q @ m.weight[:, :5]
    return x + m.layers[1](scores.softmax(-1) @ x)


def recurrence(m: Written, x: Tensor) -> Tensor:
    gates, values = torch.sigmoid(m.layers[0](x)), m.layers[1](x)
    state, states = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        state = gates[:, t] * state + values[:, t]
        states.append(state)
    return x + torch.stack(states, 1)


ONE_JUNCTION = (
    token_shift,
    learned_activation,
    response_normalisation,
    rotary,
    relative_positions,
    recurrence,
)


@pytest.mark.parametrize("join", ONE_JUNCTION)
def test_element_wise_parameters_and_recurrences_are_no_branches(join: Any) -> None:
    detection = detected(nn.Sequential(Written(join), Written(join)), SEQUENCES)
    assert [junction.kind for junction in detection.junctions] == ["identity"] * 2
    assert detection.unseen == ()


def low_rank_update(m: Written, x: Tensor) -> Tensor:
    """A weight with a low-rank update and a learned magnitude (Liu et al. 2024)."""
    base = m.layers[0](x)
    update = functional.linear(functional.linear(x, m.weight[:6]), m.weight[:, :6])
    return x + torch.tanh(base + ((m.scale - 1) * base + m.scale * update))


def test_a_weight_and_its_update_are_one_map() -> None:
    assert kinds(Written(low_rank_update), X) == {"identity": 1}


@pytest.mark.parametrize("activated", [False, True])
def test_a_projection_may_have_more_weights_than_the_branch_and_an_activation(activated: bool) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.narrow, self.wide = nn.Linear(8, 2), nn.Linear(2, 16)
            self.projection = nn.Linear(8, 16)

        def forward(self, x: Tensor) -> Tensor:
            h = self.projection(x)
            return (h.relu() if activated else h) + self.wide(self.narrow(x).relu())

    assert kinds(Block(), X) == {"projection": 1}


ALL = torch.arange(4)
PLACES: dict[str, Callable[[Written, Tensor], Tensor]] = {
    "index_add": lambda m, x: x.index_add(0, ALL, f(m, x)),
    "index_add in place": lambda m, x: x.clone().index_add_(0, ALL, f(m, x)),
    "scatter_add": lambda m, x: x.scatter_add(0, ALL[:, None].expand(4, 8), f(m, x)),
    "scatter_reduce": lambda m, x: x.scatter_reduce(0, ALL[:, None].expand(4, 8), f(m, x), "sum"),
    "index_put": lambda m, x: x.index_put((ALL,), f(m, x), accumulate=True),
    "minus": lambda m, x: x - (-f(m, x)),
}


@pytest.mark.parametrize("name", PLACES)
def test_other_calls_that_add(name: str) -> None:
    torch.manual_seed(0)
    model = Written(PLACES[name])
    (junction,) = measure(model, X).junctions
    x = X.clone().requires_grad_()
    branch = f(model, x)
    y = x + branch
    at_y, at_x = torch.autograd.grad(y.square().mean(), [y, x], retain_graph=True)
    (by_branch,) = torch.autograd.grad(branch, x, at_y)
    assert junction.kind == "identity" or name == "index_add in place"
    assert junction.gradient_gain == pytest.approx((at_x.norm() / at_y.norm()).item(), rel=1e-5)
    assert junction.gradient_branch == pytest.approx((by_branch.norm() / at_y.norm()).item(), rel=1e-5)


def test_what_is_subtracted_is_a_shortcut_of_minus_one() -> None:
    (junction,) = measure(Written(lambda m, x: f(m, x) - x), X).junctions
    assert (junction.kind, junction.effective_lambda) == ("scale", pytest.approx(-1))


PARALLEL: list[Callable[[Written, Tensor], Tensor]] = [
    lambda m, x: x + f(m, x) + f(m, x, 1),
    lambda m, x: f(m, x) + f(m, x, 1) + x,
    lambda m, x: f(m, x) + (x + f(m, x, 1)),
]


@pytest.mark.parametrize("join", PARALLEL)
def test_parallel_branches_have_one_gradient(join: Any) -> None:
    torch.manual_seed(0)
    model = Written(join)
    (junction,) = measure(model, X).junctions
    x = X.clone().requires_grad_()
    branch = f(model, x) + f(model, x, 1)
    y = x + branch
    (at_y,) = torch.autograd.grad(y.square().mean(), y, retain_graph=True)
    (by_branch,) = torch.autograd.grad(branch, x, at_y)
    assert junction.exact
    assert junction.gradient_branch == pytest.approx((by_branch.norm() / at_y.norm()).item(), rel=1e-5)
    share = branch.norm() / (branch.norm() + x.norm())
    assert junction.branch_share == pytest.approx(share.item(), rel=1e-5)


def class_attention(m: Written, x: Tensor) -> Tensor:
    token = m.token.expand(len(x), -1, -1)
    for layer in m.layers:
        everything = torch.cat([token, x], 1)
        token = token + torch.tanh(layer(everything)).cumsum(1)[:, -1:]
    return token


def test_additions_to_learned_tokens() -> None:
    first, second = measure(Written(class_attention), SEQUENCES).junctions
    assert (first.kind, second.kind) == ("identity", "identity")
    assert first.gradient_branch is not None


def densely_added(m: Written, x: Tensor) -> Tensor:
    outputs = [x]
    for layer in m.layers:
        outputs.append(torch.tanh(layer(sum(outputs))))
    total = sum(outputs)
    assert isinstance(total, Tensor)
    return total


def test_the_cost_of_detection_grows_like_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node passes its table of ways on once, and a table holds no more values than there are layers."""
    visits, largest = 0, 0
    through = reach._through

    def counted(graph: Any, node: Any, arriving: Any) -> Any:
        nonlocal visits, largest
        visits, largest = visits + 1, max(largest, len(arriving))
        return through(graph, node, arriving)

    monkeypatch.setattr(reach, "_through", counted)
    for depth in (10, 20):
        visits, largest = 0, 0
        assert len(detected(Written(densely_added, depth), X).junctions) == depth
        assert visits <= 3 * (depth + 1) * (depth + 2)
        assert largest <= depth + 2
