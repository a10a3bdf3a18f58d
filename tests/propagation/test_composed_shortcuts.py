"""A shortcut may itself add functions of x, in any order and spelling; right values from plain autograd."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import measure
from resunit.propagation.detect import splitting
from tests.propagation.toy import X, detected, kinds, known
from tests.propagation.written import Written


def f(m: Written, x: Tensor, layer: int = 0) -> Tensor:
    return 0.5 * m.layers[layer](x).sin()


def rolled(x: Tensor, by: int = 1) -> Tensor:
    return x.roll(by, 1)


def blurred(x: Tensor) -> Tensor:
    return functional.avg_pool1d(x[:, None], 3, 1, 1)[:, 0]


def in_place(m: Written, x: Tensor) -> Tensor:
    y = 0.75 * x
    y += 0.25 * x.mean(-1, keepdim=True)
    y += f(m, x)
    return y


def onto_the_branch(m: Written, x: Tensor) -> Tensor:
    y = f(m, x)
    y += 0.75 * x
    y += 0.25 * x.mean(-1, keepdim=True)
    return y


# How the unit is written, and its h(x).
Form = tuple[Callable[[Written, Tensor], Tensor], Callable[[Written, Tensor], Tensor]]
FORMS: dict[str, Form] = {
    "mean": (
        lambda m, x: 0.75 * x + 0.25 * x.mean(-1, keepdim=True) + f(m, x),
        lambda _, x: 0.75 * x + 0.25 * x.mean(-1, keepdim=True),
    ),
    "in place": (in_place, lambda _, x: 0.75 * x + 0.25 * x.mean(-1, keepdim=True)),
    "in place, F first": (onto_the_branch, lambda _, x: 0.75 * x + 0.25 * x.mean(-1, keepdim=True)),
    "F first": (
        lambda m, x: f(m, x) + 0.5 * x + 0.5 * rolled(x),
        lambda _, x: 0.5 * x + 0.5 * rolled(x),
    ),
    "F first, x last": (
        lambda m, x: f(m, x) + 0.5 * rolled(x) + 0.5 * x,
        lambda _, x: 0.5 * x + 0.5 * rolled(x),
    ),
    "nested": (
        lambda m, x: 0.5 * x + (0.5 * rolled(x) + f(m, x)),
        lambda _, x: 0.5 * x + 0.5 * rolled(x),
    ),
    "alpha": (
        lambda m, x: torch.add(torch.add(f(m, x), x, alpha=0.5), rolled(x), alpha=0.5),
        lambda _, x: 0.5 * x + 0.5 * rolled(x),
    ),
    "lerp": (
        lambda m, x: torch.lerp(x, rolled(x), 0.25) + f(m, x),
        lambda _, x: 0.75 * x + 0.25 * rolled(x),
    ),
    "subtracted": (
        lambda m, x: f(m, x) - (0.2 * x.mean(-1, keepdim=True) - x),
        lambda _, x: x - 0.2 * x.mean(-1, keepdim=True),
    ),
    "blurred": (lambda m, x: x + f(m, x) + blurred(x), lambda _, x: x + blurred(x)),
    "three parts, two branches": (
        lambda m, x: f(m, x) + 0.5 * x + 0.25 * rolled(x) + 0.25 * rolled(x, 2) + f(m, x, 1),
        lambda _, x: 0.5 * x + 0.25 * rolled(x) + 0.25 * rolled(x, 2),
    ),
    "shuffled": (
        lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1) + f(m, x),
        lambda _, x: torch.cat(x.chunk(2, 1)[::-1], 1),
    ),
    "leaky": (
        lambda m, x: f(m, x) + torch.where(x > 0, x, 0.1 * x),
        lambda _, x: functional.leaky_relu(x, 0.1),
    ),
    "normalised": (
        lambda m, x: x / x.norm(dim=-1, keepdim=True) + f(m, x),
        lambda _, x: x / x.norm(dim=-1, keepdim=True),
    ),
    "learned factors": (
        lambda m, x: f(m, x) + m.scale * x + m.scale.flip(0) * rolled(x),
        lambda m, x: m.scale * x + m.scale.flip(0) * rolled(x),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_shortcut_is_what_has_no_layer(form: str) -> None:
    torch.manual_seed(0)
    write, shortcut = FORMS[form]
    model = nn.Sequential(*(Written(write) for _ in range(3)))
    junctions = measure(model, X).junctions
    assert [junction.kind for junction in junctions] == [junctions[0].kind] * 3
    assert junctions[0].kind == ("projection" if form == "learned factors" else "operations")

    x = [X.clone().requires_grad_()]
    for unit in model:
        x.append(unit(x[-1]))
    gradients = torch.autograd.grad(x[-1].square().mean(), x, retain_graph=True)
    end = direct = gradients[-1]
    for number in (2, 1, 0):
        junction, unit = junctions[number], model[number]
        assert isinstance(unit, Written)
        h = shortcut(unit, x[number])
        own, arriving = gradients[number], gradients[number + 1]
        (through_h,) = torch.autograd.grad(h, x[number], arriving, retain_graph=True)
        (direct,) = torch.autograd.grad(h, x[number], direct)
        branch = x[number + 1] - h
        assert junction.gradient_gain == pytest.approx((own.norm() / end.norm()).item(), rel=1e-4)
        assert junction.gradient_direct == pytest.approx((through_h.norm() / end.norm()).item(), rel=1e-4)
        at_branch = (own - through_h).norm() / end.norm()
        assert junction.gradient_branch == pytest.approx(at_branch.item(), rel=1e-4)
        assert junction.direct_gain == pytest.approx((direct.norm() / end.norm()).item(), rel=1e-4)
        assert junction.shortcut_gain == junction.direct_gain
        share = branch.norm() / (branch.norm() + h.norm())
        assert junction.branch_share == pytest.approx(share.item(), rel=1e-4)
        if form == "shuffled":  # Where the elements of x are in h is not followed through cat.
            assert junction.effective_lambda is None
            continue
        effective = (h * x[number]).sum() / x[number].square().sum()
        assert junction.effective_lambda == pytest.approx(effective.item(), rel=1e-4)


def test_x_twice_is_a_unit_within_a_unit() -> None:
    assert kinds(Written(lambda m, x: x + (x + f(m, x))), X) == {"identity": 2}


def test_a_sum_of_multiples_of_x_scales() -> None:
    (junction,) = measure(Written(lambda m, x: x - 0.25 * x + f(m, x)), X).junctions
    assert junction.kind == "scale"
    assert junction.effective_lambda == pytest.approx(0.75)
    assert known(junction.lambda_r2) == pytest.approx(1)


def test_many_additions_without_a_layer_cost_no_more_than_the_graph_is_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A solver's steps have no layer; each addition could take all earlier steps for its shortcut."""
    walked = 0
    walk = splitting.forks_before

    def counted(graph: Any, dominators: Any, ranges: Any, addend: Any) -> Any:
        nonlocal walked
        forks = list(walk(graph, dominators, ranges, addend))
        walked += len(forks)
        return forks

    monkeypatch.setattr(splitting, "forks_before", counted)

    def steps(m: Written, x: Tensor) -> Tensor:
        for _ in range(200):
            x = x + 0.01 * x.sin()
        return x + f(m, x)

    assert len(detected(Written(steps), X).junctions) == 1
    assert walked <= 20 * 200


def test_positions_that_are_added_to_the_input() -> None:
    def join(m: Written, x: Tensor) -> Tensor:
        x = x + m.scale
        return x + f(m, x)

    assert kinds(Written(join), X) == {"identity": 1}
