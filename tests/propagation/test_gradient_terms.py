"""Both terms of Eq. (5) are right however the addition is written, and whatever else uses x."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from resunit.propagation import Junction, measure
from tests.propagation.toy import known

Pair = tuple[Tensor, Tensor]


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)


class Joined(nn.Module):
    """An addition, as it is written; `elsewhere` lets the loss use x directly as well."""

    def __init__(self, add: Callable[[Layers, Tensor], Tensor], elsewhere: bool):
        super().__init__()
        self.layers, self.add, self.elsewhere = Layers(), add, elsewhere

    def forward(self, x: Tensor) -> Tensor:
        y = self.add(self.layers, x)
        return torch.cat([y, x * x]) if self.elsewhere else y


def gate(m: Layers, x: Tensor) -> Tensor:
    return torch.sigmoid(m.b(x))


# How it is written; h(x) and F(x).
FORMS: dict[str, tuple[Callable[[Layers, Tensor], Tensor], Callable[[Layers, Tensor], Pair]]] = {
    "x + f": (lambda m, x: x + m.a(x).tanh(), lambda m, x: (x, m.a(x).tanh())),
    "alpha": (lambda m, x: torch.add(x, m.a(x).tanh(), alpha=0.1), lambda m, x: (x, 0.1 * m.a(x).tanh())),
    "alpha on x": (lambda m, x: torch.add(m.a(x), x, alpha=0.1), lambda m, x: (0.1 * x, m.a(x))),
    "addmm": (
        lambda m, x: torch.addmm(x, m.a(x).tanh(), m.b.weight, beta=0.5, alpha=3),
        lambda m, x: (0.5 * x, 3 * m.a(x).tanh() @ m.b.weight),
    ),
    "addcmul": (
        lambda m, x: torch.addcmul(x, m.a(x).tanh(), m.b(x), value=2),
        lambda m, x: (x, 2 * m.a(x).tanh() * m.b(x)),
    ),
    "addcdiv": (
        lambda m, x: torch.addcdiv(x, m.a(x).tanh(), 2 + m.b(x).tanh(), value=3),
        lambda m, x: (x, 3 * m.a(x).tanh() / (2 + m.b(x).tanh())),
    ),
    "addbmm": (
        lambda m, x: torch.addbmm(x, m.a(x).tanh()[None], m.b.weight[None], beta=0.5),
        lambda m, x: (0.5 * x, m.a(x).tanh() @ m.b.weight),
    ),
    "addr": (
        lambda m, x: torch.addr(x, x[:, 0], m.a(x).tanh()[0], alpha=2),
        lambda m, x: (x, 2 * torch.outer(x[:, 0], m.a(x).tanh()[0])),
    ),
    "lerp": (lambda m, x: torch.lerp(x, m.a(x).tanh(), 0.25), lambda m, x: (0.75 * x, 0.25 * m.a(x).tanh())),
    "lerp by a tensor": (
        lambda m, x: torch.lerp(x, m.a(x).tanh(), torch.tensor(0.25)),
        lambda m, x: (0.75 * x, 0.25 * m.a(x).tanh()),
    ),
    "lerp by a gate": (
        lambda m, x: torch.lerp(x, m.a(x).tanh(), gate(m, x)),
        lambda m, x: ((1 - gate(m, x)) * x, gate(m, x) * m.a(x).tanh()),
    ),
    "h is broadcast": (
        lambda m, x: x.mean(0, keepdim=True) + m.a(x).tanh(),
        lambda m, x: (x.mean(0, keepdim=True).expand(4, 8), m.a(x).tanh()),
    ),
    "F is broadcast": (
        lambda m, x: x + m.a(x).tanh().mean(0, keepdim=True),
        lambda m, x: (x, m.a(x).tanh().mean(0, keepdim=True).expand(4, 8)),
    ),
    "h in double precision": (
        lambda m, x: x.double() + m.a(x).tanh(),
        lambda m, x: (x.double(), m.a(x).tanh()),
    ),
}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_direct_and_branch_term(form: str, elsewhere: bool) -> None:
    torch.manual_seed(0)
    model = Joined(FORMS[form][0], elsewhere)
    inputs = torch.randn(4, 8)
    (junction,) = measure(model, inputs).junctions

    x = inputs.clone().requires_grad_()
    h, f = FORMS[form][1](model.layers, x)
    y = h + f
    output = torch.cat([y, x * x]) if elsewhere else y
    arriving, total = torch.autograd.grad(output.square().mean(), [y, x], retain_graph=True)
    (direct,) = torch.autograd.grad(h, x, arriving.to(h.dtype), retain_graph=True)
    (by_branch,) = torch.autograd.grad(f, x, arriving.to(f.dtype))
    last = arriving.norm()
    assert junction.gradient_gain == pytest.approx((total.norm() / last).item(), rel=1e-4)
    assert junction.gradient_direct == pytest.approx((direct.norm() / last).item(), rel=1e-4)
    assert junction.gradient_branch == pytest.approx((by_branch.norm() / last).item(), rel=1e-4)
    assert junction.branch_share == pytest.approx((f.norm() / (f.norm() + h.norm())).item(), rel=1e-4)
    effective = ((h * x).sum() / (x * x).sum()).item()
    assert junction.effective_lambda == pytest.approx(effective, rel=1e-4)


def test_streams_of_which_the_loss_uses_a_part() -> None:
    """Two halves that add to each other in turn (reversible networks): some gradients are undefined."""

    class Reversible(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f, self.g = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            a, b = x.chunk(2, -1)
            a = a + self.f(b).tanh()
            return torch.cat([a, b + self.g(a).tanh()], -1)

    assert len(measure(nn.Sequential(Reversible(), Reversible()), torch.randn(4, 8)).junctions) == 4


class Scaled(nn.Module):
    def __init__(self, scale: float):
        super().__init__()
        self.layer, self.scale = nn.Linear(8, 8), scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + 1e-3 * self.layer(x)


def junctions_of(scale: float) -> tuple[Junction, ...]:
    torch.manual_seed(0)
    return measure(nn.Sequential(*(Scaled(scale) for _ in range(28))), torch.randn(4, 8)).junctions


def test_gradients_whose_squares_vanish_in_single_precision() -> None:
    junctions = junctions_of(0.1)
    assert junctions[0].gradient_gain == pytest.approx(1e-28, rel=0.2)
    assert junctions[0].gradient_direct == pytest.approx(1e-28, rel=0.2)
    assert junctions[0].direct_gain == pytest.approx(1e-28, rel=1e-5)


def test_streams_whose_squares_overflow_in_single_precision() -> None:
    junctions = junctions_of(10)
    assert junctions[-1].stream_rms == pytest.approx(1e27 * known(junctions[0].stream_rms), rel=1e-2)
    assert all(junction.nonfinite_share == 0 for junction in junctions)
    assert junctions[0].gradient_gain is not None
    assert not math.isfinite(junctions[0].gradient_gain)
    torch.manual_seed(0)
    found = measure(nn.Sequential(*(Scaled(10) for _ in range(28))), torch.randn(4, 8)).findings
    assert "the gradient at " in found[0]
    assert "is infinite or NaN" in found[0]
    assert not any("no gradient at all" in sentence for sentence in found)
