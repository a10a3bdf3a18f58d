"""Functions that add and do more, and sums of several terms; right values from plain autograd."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import measure
from tests.propagation.by_hand import Unit, check_chain
from tests.propagation.toy import X, kinds
from tests.propagation.written import Written

LISTS: Any = torch  # The functions of lists of tensors have no public names.
ROWS, PLACES = torch.arange(4), torch.arange(8).expand(4, 8)
ONES, WEIGHTS = torch.ones(8), torch.rand(8, generator=torch.Generator().manual_seed(2)) + 0.5
MASK = WEIGHTS.gt(WEIGHTS.median()).to(WEIGHTS.dtype)
MATRIX = torch.randn(8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / 3


def f(m: Written, x: Tensor, layer: int = 0) -> Tensor:
    return torch.tanh(m.layers[layer](x))


def gate(m: Written, x: Tensor) -> Tensor:
    return torch.sigmoid(m.layers[1](x))


def rolled(x: Tensor) -> Tensor:
    return x.roll(1, 1)


def in_place(name: str, *args: object) -> Callable[[Written, Tensor], Tensor]:
    """Return x.clone().name_(F(x), ...)."""

    def compute(m: Written, x: Tensor) -> Tensor:
        y = x.clone()
        getattr(y, name)(f(m, x), *args)
        return y

    return compute


def for_each_in_place(m: Written, x: Tensor) -> Tensor:
    y = x.clone()
    LISTS._foreach_add_([y], [f(m, x)], alpha=0.5)
    return y


Part = Callable[[Written, Tensor], Tensor]


def identity(_: Written, x: Tensor) -> Tensor:
    return x


def half(_: Written, x: Tensor) -> Tensor:
    return 0.5 * x


# How the unit is written, its kind, h(x) and F(x).
FORMS: dict[str, tuple[Part, str, Part, Part]] = {
    "alpha": (lambda m, x: torch.add(x, f(m, x), alpha=0.5), "identity", identity, lambda m, x: 0.5 * f(m, x)),
    "alpha of x": (lambda m, x: torch.add(f(m, x), x, alpha=0.5), "scale", half, f),
    "alpha in place": (
        lambda m, x: x.clone().add_(f(m, x), alpha=0.5), "identity", identity, lambda m, x: 0.5 * f(m, x),
    ),
    "two alphas": (
        lambda m, x: torch.add(torch.add(f(m, x), x, alpha=0.5), f(m, x, 1), alpha=2), "scale", half,
        lambda m, x: f(m, x) + 2 * f(m, x, 1),
    ),
    "sub": (lambda m, x: torch.sub(x, f(m, x), alpha=2), "identity", identity, lambda m, x: -2 * f(m, x)),
    "sub of x, and a further branch": (
        lambda m, x: f(m, x) - x + f(m, x, 1), "scale", lambda _, x: -x, lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "sub in place": (in_place("sub_"), "identity", identity, lambda m, x: -f(m, x)),
    "rsub": (lambda m, x: torch.rsub(x, f(m, x), alpha=0.5), "scale", lambda _, x: -0.5 * x, f),
    "addcmul": (
        lambda m, x: torch.addcmul(x, f(m, x), WEIGHTS, value=0.5), "identity", identity,
        lambda m, x: 0.5 * WEIGHTS * f(m, x),
    ),
    "addcmul of x": (
        lambda m, x: torch.addcmul(f(m, x), x, m.scale, value=2), "scale", lambda m, x: 2 * m.scale * x, f,
    ),
    "addcmul of numbers": (
        lambda m, x: torch.addcmul(f(m, x), x, WEIGHTS), "scale", lambda _, x: WEIGHTS * x, f,
    ),
    "addcmul of a mask": (
        lambda m, x: torch.addcmul(f(m, x), x, MASK), "operations", lambda _, x: MASK * x, f,
    ),
    "addcmul of a gate": (
        lambda m, x: torch.addcmul(f(m, x), x, gate(m, x)), "gate", lambda m, x: gate(m, x) * x, f,
    ),
    "addcmul in place": (in_place("addcmul_", WEIGHTS), "identity", identity, lambda m, x: WEIGHTS * f(m, x)),
    "addcdiv": (
        lambda m, x: torch.addcdiv(x, f(m, x), WEIGHTS), "identity", identity, lambda m, x: f(m, x) / WEIGHTS,
    ),
    "addcdiv of x": (
        lambda m, x: torch.addcdiv(f(m, x), x, WEIGHTS, value=0.5), "scale", lambda _, x: 0.5 * x / WEIGHTS, f,
    ),
    "addmm": (
        lambda m, x: torch.addmm(x, f(m, x), m.weight, beta=0.5, alpha=2), "scale", half,
        lambda m, x: 2 * f(m, x) @ m.weight,
    ),
    "addmm of x": (lambda m, x: torch.addmm(f(m, x), x, MATRIX), "operations", lambda _, x: x @ MATRIX, f),
    "addmm of x and a weight": (
        lambda m, x: torch.addmm(f(m, x), x, m.weight), "projection", lambda m, x: x @ m.weight, f,
    ),
    "addmm of attention": (
        lambda m, x: torch.addmm(x, torch.softmax(x @ x.mT, -1), f(m, x)), "identity", identity,
        lambda m, x: torch.softmax(x @ x.mT, -1) @ f(m, x),
    ),
    "addmm in place": (in_place("addmm_", MATRIX), "identity", identity, lambda m, x: f(m, x) @ MATRIX),
    "baddbmm": (
        lambda m, x: torch.baddbmm(x[None], f(m, x)[None], m.weight[None], beta=0.5)[0], "scale", half,
        lambda m, x: f(m, x) @ m.weight,
    ),
    "addbmm": (
        lambda m, x: torch.addbmm(x, f(m, x)[None], m.weight[None]), "identity", identity,
        lambda m, x: f(m, x) @ m.weight,
    ),
    "addr": (
        lambda m, x: torch.addr(x, f(m, x)[:, 0], m.scale), "identity", identity,
        lambda m, x: f(m, x)[:, :1] * m.scale,
    ),
    "lerp": (
        lambda m, x: torch.lerp(x, f(m, x), 0.25), "scale", lambda _, x: 0.75 * x, lambda m, x: 0.25 * f(m, x),
    ),
    "lerp by learned weights": (
        lambda m, x: torch.lerp(x, f(m, x), m.scale), "scale", lambda m, x: (1 - m.scale) * x,
        lambda m, x: m.scale * f(m, x),
    ),
    "lerp by a gate": (
        lambda m, x: torch.lerp(x, f(m, x), gate(m, x)), "gate", lambda m, x: (1 - gate(m, x)) * x,
        lambda m, x: gate(m, x) * f(m, x),
    ),
    "lerp in place": (
        in_place("lerp_", 0.25), "scale", lambda _, x: 0.75 * x, lambda m, x: 0.25 * f(m, x),
    ),
    "for each": (lambda m, x: LISTS._foreach_add([x], [f(m, x)])[0], "identity", identity, f),
    "for each in place": (for_each_in_place, "identity", identity, lambda m, x: 0.5 * f(m, x)),
    "for each, minus": (
        lambda m, x: LISTS._foreach_sub([f(m, x)], [x])[0], "scale", lambda _, x: -x, f,
    ),
    "for each, times": (
        lambda m, x: LISTS._foreach_addcmul([x], [f(m, x)], [WEIGHTS.expand(4, 8)], 0.5)[0], "identity", identity,
        lambda m, x: 0.5 * WEIGHTS * f(m, x),
    ),
    "for each, between": (
        lambda m, x: LISTS._foreach_lerp([x], [f(m, x)], 0.25)[0], "scale", lambda _, x: 0.75 * x,
        lambda m, x: 0.25 * f(m, x),
    ),
    "index_add": (
        lambda m, x: x.index_add(0, ROWS, f(m, x), alpha=0.5), "identity", identity, lambda m, x: 0.5 * f(m, x),
    ),
    "index_add to some": (
        lambda m, x: x.index_add(1, ROWS, f(m, x)[:, :4]), "identity", identity,
        lambda m, x: functional.pad(f(m, x)[:, :4], (0, 4)),
    ),
    "index_add of x": (lambda m, x: f(m, x).index_add(0, ROWS, x), "identity", identity, f),
    "index_add of x to other places": (
        lambda m, x: f(m, x).index_add(0, ROWS.flip(0), x), "operations", lambda _, x: x.flip(0), f,
    ),
    "scatter_add": (lambda m, x: x.scatter_add(1, PLACES, f(m, x)), "identity", identity, f),
    "scatter_reduce": (lambda m, x: x.scatter_reduce(1, PLACES, f(m, x), "sum"), "identity", identity, f),
    "put": (
        lambda m, x: x.put(torch.arange(32).view(4, 8), f(m, x), accumulate=True), "identity", identity, f,
    ),
    "into zeros": (
        lambda m, x: torch.zeros_like(x).index_add(0, ROWS, x).index_add(0, ROWS, f(m, x)), "identity", identity, f,
    ),
    "gate without where": (
        lambda m, x: gate(m, x) * f(m, x) + (1 - gate(m, x)) * x, "gate", lambda m, x: (1 - gate(m, x)) * x,
        lambda m, x: gate(m, x) * f(m, x),
    ),
    "three terms": (
        lambda m, x: x + f(m, x) + f(m, x, 1), "identity", identity, lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "sum": (lambda m, x: torch.as_tensor(sum([x, f(m, x)])), "identity", identity, f),
    "reduce": (
        lambda m, x: functools.reduce(operator.add, [f(m, x), x, f(m, x, 1)]), "identity", identity,
        lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "two sums": (
        lambda m, x: (0.5 * x + f(m, x)) + (0.5 * rolled(x) + f(m, x, 1)), "operations",
        lambda _, x: 0.5 * x + 0.5 * rolled(x), lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "two sums, in place": (
        lambda m, x: (f(m, x) + 0.5 * rolled(x)).add_(f(m, x, 1) + 0.5 * x), "operations",
        lambda _, x: 0.5 * x + 0.5 * rolled(x), lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "two sums of multiples": (
        lambda m, x: (0.5 * x + f(m, x)) + (0.25 * x + f(m, x, 1)), "scale", lambda _, x: 0.75 * x,
        lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "two sums and a third": (
        lambda m, x: ((x + f(m, x)) + (rolled(x) + f(m, x, 1))) + 0.5 * x.flip(1), "operations",
        lambda _, x: x + rolled(x) + 0.5 * x.flip(1), lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "a product on two ways": (
        lambda m, x: (0.5 * x * x + f(m, x)) + (0.5 * x * x + f(m, x, 1)), "operations", lambda _, x: x * x,
        lambda m, x: f(m, x) + f(m, x, 1),
    ),
    "a square": (lambda m, x: x * x + f(m, x), "operations", lambda _, x: x * x, f),
    "a product of two copies": (
        lambda m, x: (2 * x) * x.clone() + f(m, x), "operations", lambda _, x: 2 * x * x, f,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_unit_has_the_numbers_of_its_h_and_f(form: str) -> None:
    write, kind, shortcut, branch = FORMS[form]
    torch.manual_seed(0)
    model = nn.Sequential(*(Written(write) for _ in range(2))).double()
    x = X.double()
    result = measure(model, x)
    assert [junction.kind for junction in result.junctions] == [kind] * 2
    assert result.unseen == ()

    def unit(model: Written) -> Unit:
        return Unit(lambda v: shortcut(model, v), lambda v: branch(model, v))

    def same(model: Written) -> bool:
        return torch.allclose(shortcut(model, x) + branch(model, x), model(x), atol=1e-12)

    units = [module for module in model if isinstance(module, Written)]
    assert all(map(same, units)), "the test states what the unit computes"
    is_placed = form == "index_add of x to other places"  # Where the elements go is not followed.
    check_chain(
        result.junctions,
        [unit(module) for module in units],
        x.requires_grad_(),
        lambda end: end.square().mean(),
        with_lambda=not is_placed,
    )


def test_addmv() -> None:
    """Each row is a vector of its own, and so has a junction of its own."""
    by_rows = Written(lambda m, x: torch.stack([torch.addmv(row, m.weight, f(m, row)) for row in x]))
    assert kinds(by_rows, X) == {"identity": 4}


def test_lesions_and_jacobians_of_fused_sums() -> None:
    write, _, shortcut, branch = FORMS["addmm"]
    torch.manual_seed(0)
    model, x = Written(write).double(), X.double()
    (junction,) = measure(model, x, also=["lesion", "jacobian"]).junctions
    change = shortcut(model, x).square().mean() - write(model, x).square().mean()
    assert junction.loss_change == pytest.approx(change.item(), rel=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda v: shortcut(model, v) + branch(model, v), x)
    largest = torch.linalg.matrix_norm(torch.as_tensor(jacobian).reshape(32, 32), 2)
    assert junction.singular_value == pytest.approx(largest.item(), rel=1e-3)


@pytest.mark.parametrize(
    "compute",
    [
        lambda m, x: f(m, x) + m.layers[0].bias,
        lambda m, x: torch.addmm(m.scale, f(m, x), m.weight),
        lambda m, x: torch.baddbmm(torch.empty(()), f(m, x)[None], m.weight[None], beta=0)[0],
        lambda m, x: torch.addcmul(f(m, x), f(m, x, 1), m.scale) - m.token[0],
        lambda m, x: functional.linear(f(m, x), m.weight, 2 * m.scale),
    ],
)
def test_biases_are_no_shortcuts(compute: Part) -> None:
    assert kinds(Written(compute), X) == {}
