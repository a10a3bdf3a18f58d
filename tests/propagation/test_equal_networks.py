"""The same mathematics, written in other ways: the same kinds, the same verdict and the same numbers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import Instrument, Propagation, measure
from tests.propagation.toy import known

Form = Callable[["Unit", Tensor], Tensor]
Gate = Callable[[Tensor], Tensor]


class Unit(nn.Module):
    """A branch, the argument of a gate and some constants; `write` is the forward pass."""

    def __init__(self, write: Form):
        super().__init__()
        self.layer, self.gate, self.projection = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.learned = nn.Parameter(torch.tensor(0.5))
        self.learned_each = nn.Parameter(torch.rand(8) + 0.5)
        self.constant: Tensor
        self.constant_each: Tensor
        self.mask: Tensor
        self.register_buffer("constant", torch.tensor(0.5))
        self.register_buffer("constant_each", torch.full((8,), 0.5))
        self.register_buffer("mask", torch.rand(8) > 0.3)
        self.write = write

    def forward(self, x: Tensor) -> Tensor:
        return self.write(self, x)


def f(m: Unit, x: Tensor) -> Tensor:
    return 0.5 * torch.tanh(m.layer(x))


def z(m: Unit, x: Tensor) -> Tensor:
    return m.gate(x) - 1


def in_place(m: Unit, x: Tensor) -> Tensor:
    y = x.clone()
    y.mul_(0.5)
    y += f(m, x)
    return y


def onto_the_branch(m: Unit, x: Tensor) -> Tensor:
    y = f(m, x)
    y += x
    return y


GATES: dict[str, Gate] = {
    "sigmoid": torch.sigmoid,
    "expit": torch.special.expit,
    "1 / (1 + exp(-z))": lambda z: 1 / (1 + torch.exp(-z)),
    "reciprocal": lambda z: ((-z).exp() + 1).reciprocal(),
    "power": lambda z: (1 + torch.exp(-z)) ** -1,
    "exp(z) / (1 + exp(z))": lambda z: z.exp() / (1 + z.exp()),
    "tanh": lambda z: 0.5 * (1 + torch.tanh(z / 2)),
    "log-sigmoid": lambda z: functional.logsigmoid(z).exp(),
    "softplus": lambda z: torch.exp(-functional.softplus(-z)),
    "1 - sigmoid(-z)": lambda z: 1 - torch.sigmoid(-z),
    "softmax of two": lambda z: torch.stack([z, torch.zeros_like(z)], -1).softmax(-1)[..., 0],
    "softmax, unbound": lambda z: torch.softmax(torch.stack([z, 0 * z]), 0).unbind(0)[0],
    "softmax, written out": lambda z: (lambda e: (e / e.sum(0))[0])(torch.stack([z, 0 * z]).exp()),
}
HIGHWAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "t h + (1 - t) x": lambda t, h, x: t * h + (1 - t) * x,
    "lerp": lambda t, h, x: torch.lerp(x, h, t),
    "lerp, in place": lambda t, h, x: x.clone().lerp_(h, t),
    "x + t (h - x)": lambda t, h, x: x + t * (h - x),
    "h + (1 - t) (x - h)": lambda t, h, x: h + (1 - t) * (x - h),
    "x - t (x - h)": lambda t, h, x: x - t * (x - h),
    "addcmul": lambda t, h, x: torch.addcmul(x, t, h - x),
    "addcmul of products": lambda t, h, x: torch.addcmul(t * h, 1 - t, x),
    "ones - t": lambda t, h, x: t * h + (torch.ones_like(t) - t) * x,
    "rsub": lambda t, h, x: t * h + torch.rsub(t, 1) * x,
    "einsum": lambda t, h, x: torch.einsum("ni,ni->ni", t, h) + torch.einsum("ni,ni->ni", 1 - t, x),
}
HARD_GATES: dict[str, Gate] = {
    "relu6": lambda z: functional.relu6(z + 3) / 6,
    "clamp": lambda z: (z / 6 + 0.5).clamp(0, 1),
    "two clamps": lambda z: (z / 6 + 0.5).clamp(min=0).clamp(max=1),
    "maximum and minimum": lambda z: torch.minimum(
        torch.maximum(z / 6 + 0.5, torch.zeros(())), torch.ones(())
    ),
}
ZERO = torch.zeros(())

GROUPS: dict[str, dict[str, Form]] = {
    "identity": {
        "x + F": lambda m, x: x + f(m, x),
        "torch.add": lambda m, x: torch.add(x, f(m, x)),
        "alpha": lambda m, x: x.add(torch.tanh(m.layer(x)), alpha=0.5),
        "sub": lambda m, x: torch.sub(x, -f(m, x)),
        "in place": onto_the_branch,
        "addcmul": lambda m, x: torch.addcmul(x, torch.tanh(m.layer(x)), m.constant),
        "einsum": lambda m, x: torch.einsum("ni->ni", x) + f(m, x),
        "once": lambda m, x: 1.0 * x + f(m, x),
        "over one": lambda m, x: x / 1 + f(m, x),
        "twice negative": lambda m, x: torch.neg(-x) + f(m, x),
        "two halves": lambda m, x: x / 2 + x / 2 + f(m, x),
    },
    "scale": {
        "0.5 x": lambda m, x: 0.5 * x + f(m, x),
        "x / 2": lambda m, x: x / 2 + f(m, x),
        "buffer": lambda m, x: m.constant * x + f(m, x),
        "buffer of equal numbers": lambda m, x: m.constant_each * x + f(m, x),
        "parameter": lambda m, x: m.learned * x + f(m, x),
        "alpha": lambda m, x: torch.add(f(m, x), x, alpha=0.5),
        "sub, alpha": lambda m, x: torch.sub(f(m, x), x, alpha=-0.5),
        "addcmul": lambda m, x: torch.addcmul(f(m, x), x, torch.ones(8), value=0.5),
        "addcdiv": lambda m, x: torch.addcdiv(f(m, x), x, torch.tensor(2.0)),
        "einsum": lambda m, x: torch.einsum("ni,->ni", x, m.constant) + f(m, x),
        "in place": in_place,
        "x - x / 2": lambda m, x: x - x / 2 + f(m, x),
        "lerp": lambda m, x: torch.lerp(x, 2 * f(m, x), 0.5),
        "x + (2 F - x) / 2": lambda m, x: x + (2 * f(m, x) - x) / 2,
        "x - 0.5 (x - 2 F)": lambda m, x: x - 0.5 * (x - 2 * f(m, x)),
        "expanded": lambda m, x: torch.full_like(x, 0.5) * x + f(m, x),
    },
    "learned scale of channels": {
        "a x": lambda m, x: m.learned_each * x + f(m, x),
        "einsum": lambda m, x: torch.einsum("ni,i->ni", x, m.learned_each) + f(m, x),
        "addcmul": lambda m, x: torch.addcmul(f(m, x), x, m.learned_each),
        "over": lambda m, x: x / (1 / m.learned_each) + f(m, x),
        "x + (1 - a) (F / (1 - a) - x)": lambda m, x: x
        + (1 - m.learned_each) * (f(m, x) / (1 - m.learned_each) - x),
    },
    "mask": {
        "times bool": lambda m, x: x * m.mask + f(m, x),
        "times numbers": lambda m, x: x * m.mask.double() + f(m, x),
        "where": lambda m, x: torch.where(m.mask, x, 0.0) + f(m, x),
        "masked_fill": lambda m, x: x.masked_fill(~m.mask, 0) + f(m, x),
    },
    "nothing": {
        "0 x": lambda m, x: 0 * x + f(m, x),
        "x + (F - x)": lambda m, x: x + (f(m, x) - x),
    },
    "truncated": {
        "relu": lambda m, x: torch.relu(x + f(m, x)),
        "clamp": lambda m, x: (x + f(m, x)).clamp(min=0),
        "threshold": lambda m, x: functional.threshold(x + f(m, x), 0, 0),
        "leaky by 0": lambda m, x: functional.leaky_relu(x + f(m, x), 0.0),
        "maximum": lambda m, x: torch.maximum(x + f(m, x), ZERO),
        "where": lambda m, x: (lambda y: torch.where(y > 0, y, 0.0))(x + f(m, x)),
        "y (y > 0)": lambda m, x: (lambda y: y * (y > 0))(x + f(m, x)),
        "masked_fill": lambda m, x: (lambda y: y.masked_fill(y < 0, 0))(x + f(m, x)),
    },
    "projection": {
        "linear": lambda m, x: m.projection(x) + f(m, x),
        "matmul": lambda m, x: x @ m.projection.weight.T + m.projection.bias + f(m, x),
        "addmm": lambda m, x: torch.addmm(m.projection.bias, x, m.projection.weight.T) + f(m, x),
        "einsum": lambda m, x: torch.einsum("ni,oi->no", x, m.projection.weight) + m.projection.bias + f(m, x),
        "convolution": lambda m, x: functional.conv1d(
            x[..., None], m.projection.weight[..., None], m.projection.bias
        )[..., 0] + f(m, x),
    },
    "highway": {
        name: lambda m, x, join=join: join(torch.sigmoid(z(m, x)), f(m, x), x) for name, join in HIGHWAYS.items()
    },
    "gate of a highway": {
        name: lambda m, x, gate=gate: torch.lerp(x, f(m, x), gate(z(m, x))) for name, gate in GATES.items()
    },
    "gate on the shortcut": {
        name: lambda m, x, gate=gate: gate(z(m, x)) * x + f(m, x) for name, gate in GATES.items()
    },
    "hard gate": {
        name: lambda m, x, gate=gate: gate(z(m, x)) * x + f(m, x) for name, gate in HARD_GATES.items()
    },
}  # fmt: skip


def measured(write: Form) -> Propagation:
    torch.manual_seed(0)
    model = nn.Sequential(*(Unit(write) for _ in range(3)), nn.Linear(8, 8)).double()
    return measure(model, torch.randn(4, 8, dtype=torch.float64))


@pytest.mark.parametrize("group", GROUPS)
def test_equal_networks_have_equal_measures(group: str) -> None:
    first, *others = GROUPS[group]
    expected = measured(GROUPS[group][first])
    assert len(expected.junctions) == 3
    for name in others:
        found = measured(GROUPS[group][name])
        assert found.verdict.kind == expected.verdict.kind, name
        assert [j.kind for j in found.junctions] == [j.kind for j in expected.junctions], name
        for one, other in zip(found.junctions, expected.junctions, strict=True):
            assert known(one.direct_gain) == pytest.approx(known(other.direct_gain), rel=1e-9, abs=1e-12), (
                name
            )
            assert one.gradient_gain == pytest.approx(other.gradient_gain, rel=1e-9), name
            assert one.stream_rms == pytest.approx(other.stream_rms, rel=1e-9), name
            assert one.branch_share == pytest.approx(other.branch_share, rel=1e-9), name
            assert one.energy_cut == (other.energy_cut and pytest.approx(other.energy_cut, rel=1e-9)), name


def test_a_hard_sigmoid_is_a_hard_gate() -> None:
    junctions = measured(lambda m, x: functional.hardsigmoid(z(m, x)) * x + f(m, x)).junctions
    expected = measured(GROUPS["hard gate"]["relu6"]).junctions
    assert [junction.kind for junction in junctions] == ["gate"] * 3
    for one, other in zip(junctions, expected, strict=True):
        # torch's own backward pass of it holds 1 / 6 in single precision.
        assert one.direct_gain == pytest.approx(other.direct_gain, rel=1e-7)


def test_verdicts_of_the_groups() -> None:
    kinds = {group: measured(next(iter(forms.values()))).verdict.kind for group, forms in GROUPS.items()}
    assert kinds == {
        "identity": "direct", "scale": "scaled", "learned scale of channels": "scaled", "mask": "scaled",
        "nothing": "blocked", "truncated": "truncated", "projection": "scaled", "highway": "gated",
        "gate of a highway": "gated", "gate on the shortcut": "gated", "hard gate": "gated",
    }  # fmt: skip


def test_a_scaled_difference_that_goes_on_elsewhere_stays_as_it_is() -> None:
    def subtracts(m: Unit, x: Tensor) -> Tensor:
        y = x - f(m, x)  # The stream is a difference, and the next unit scales it.
        return 0.5 * y + 0.5 * torch.tanh(m.gate(y))

    assert [j.kind for j in measured(subtracts).junctions] == ["identity", "scale"] * 3


def test_a_factor_that_is_changed_in_place_is_no_obstacle() -> None:
    """What a node keeps for its gradient is gone then, and nobody knows the factor."""

    def write(m: Unit, x: Tensor) -> Tensor:
        bound = torch.full((8,), 0.5, dtype=x.dtype)
        t = torch.minimum(torch.sigmoid(z(m, x)), bound)
        bound.zero_()
        return f(m, x) + t * x

    detection = Instrument(Unit(write).double()).detect(torch.randn(4, 8, dtype=torch.float64))
    assert [junction.kind for junction in detection.junctions] == ["gate"]


class AttentionGate(nn.Module):
    """A gate of features x by a signal g from deeper layers (Oktay et al. 2018, "Attention U-Net")."""

    def __init__(self) -> None:
        super().__init__()
        self.of_g, self.of_x = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.psi = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())

    def forward(self, g: Tensor, x: Tensor) -> Tensor:
        return x * self.psi(self.of_g(g) + self.of_x(x))


class AttentionUNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(width, 8, 3, padding=1) for width in (3, 8, 8))
        self.up = nn.ModuleList(nn.Conv2d(16, 8, 3, padding=1) for _ in range(2))
        self.gates = nn.ModuleList(AttentionGate() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for layer in self.down:
            x = layer(x).relu()
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        for layer, gate in zip(self.up, self.gates, strict=True):
            x = functional.interpolate(x, scale_factor=2)
            x = layer(torch.cat([x, gate(x, skips.pop())], 1)).relu()
        return x


def test_the_sum_within_an_attention_gate_is_no_junction() -> None:
    torch.manual_seed(0)
    result = measure(AttentionUNet(), torch.randn(2, 3, 16, 16))
    assert result.junctions == ()
    assert (result.verdict.kind, {layer.passed_by for layer in result.layers} - {None}) == (
        "unmeasured",
        {"cat"},
    )
