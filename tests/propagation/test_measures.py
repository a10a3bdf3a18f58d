"""Each measure agrees with its formula, written out on networks whose numbers are known."""

import math
from dataclasses import asdict, dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import ExclusivelyGatedUnit, Gate, GatedShortcut, Scale
from resunit.propagation import Junction, measure
from tests.propagation.toy import known

N = 18


def branch() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh())


def batch() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 8)


def measured(*units: nn.Module, x: Tensor | None = None) -> tuple[Junction, ...]:
    return measure(nn.Sequential(*units), batch() if x is None else x).junctions


def norm(x: Tensor) -> float:
    return x.double().norm().item()


@pytest.mark.parametrize("scale", [0.5, 1.25])
def test_lambda_and_the_direct_term_of_equation_8(scale: float) -> None:
    junctions = measured(*(ResidualUnit(branch(), shortcut=Scale(scale)) for _ in range(N)))
    assert len(junctions) == N
    for number, junction in enumerate(junctions):
        assert junction.effective_lambda == pytest.approx(scale, rel=1e-6)
        assert junction.lambda_r2 == pytest.approx(1, rel=1e-6)
        assert junction.direct_gain == pytest.approx(scale ** (N - number), rel=1e-5)
        assert junction.shortcut_gain == pytest.approx(scale ** (N - number), rel=1e-5)


def test_gates_measure_one_minus_g() -> None:
    gate = Gate(8, -2.0)
    nn.init.zeros_(gate.conv.weight)
    images = batch().view(4, 8, 1, 1)
    g = 1 / (1 + math.exp(2.0))
    (junction,) = measured(ResidualUnit(nn.Conv2d(8, 8, 1), shortcut=GatedShortcut(gate)), x=images)
    assert (junction.kind, junction.effective_lambda) == ("gate", pytest.approx(1 - g, rel=1e-5))

    unit = ExclusivelyGatedUnit(nn.Conv2d(8, 8, 1), nn.Identity(), nn.Identity(), nn.Identity(), gate=gate)
    (junction,) = measured(unit, x=images)
    assert (junction.kind, junction.effective_lambda) == ("gate", pytest.approx(1 - g, rel=1e-5))


def test_lambda_of_a_shortcut_that_is_no_multiple_of_x() -> None:
    x = batch()
    layer = nn.Linear(8, 8, bias=False)
    (junction,) = measured(ResidualUnit(nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8)), layer))
    h = layer(x)
    assert junction.kind == "projection"
    assert junction.effective_lambda == pytest.approx(((h * x).sum() / (x * x).sum()).item(), rel=1e-4)
    expected = (h * x).sum() ** 2 / ((x * x).sum() * (h * h).sum())
    assert junction.lambda_r2 == pytest.approx(expected.item(), rel=1e-4)


def test_signals_at_one_junction() -> None:
    unit, x = ResidualUnit(branch()), batch()
    f = unit.branch(x)
    y = x + f
    (junction,) = measured(unit)
    assert junction.branch_share == pytest.approx(norm(f) / (norm(f) + norm(x)), rel=1e-5)
    assert junction.cosine == pytest.approx(((f * x).sum() / (f.norm() * x.norm())).item(), rel=1e-4)
    assert junction.stream_rms == pytest.approx(y.square().mean().sqrt().item(), rel=1e-5)
    assert junction.stream_growth == pytest.approx(norm(y) / norm(x), rel=1e-5)
    assert junction.headroom_fp16 == pytest.approx(math.log2(65504 / y.abs().max().item()), rel=1e-5)
    largest = torch.finfo(torch.bfloat16).max
    assert junction.headroom_bf16 == pytest.approx(math.log2(largest / y.abs().max().item()), rel=1e-5)
    assert junction.nonfinite_share == 0


def test_identity_networks_obey_equations_4_and_5() -> None:
    units, x = [ResidualUnit(branch()) for _ in range(N)], batch()
    junctions = measured(*units)
    assert max(known(j.closure_error) for j in junctions) < 1e-5

    stream = [x.requires_grad_()]
    for unit in units:
        stream.append(stream[-1] + unit.branch(stream[-1]))
    gradients = torch.autograd.grad(stream[-1].square().mean(), stream, retain_graph=True)
    last = norm(gradients[-1])
    for number, junction in enumerate(junctions):
        total, direct = gradients[number], gradients[number + 1]
        through_branch = units[number].branch(stream[number])
        (by_branch,) = torch.autograd.grad(through_branch, stream[number], direct, retain_graph=True)
        torch.testing.assert_close(direct + by_branch, total)
        assert junction.exact
        assert junction.gradient_gain == pytest.approx(norm(total) / last, rel=1e-4)
        assert junction.gradient_direct == pytest.approx(norm(direct) / last, rel=1e-4)
        assert junction.gradient_branch == pytest.approx(norm(by_branch) / last, rel=1e-4)


@pytest.mark.parametrize(
    "shortcut", [Scale(0.5), nn.Linear(8, 8), nn.Tanh()], ids=["scale", "weights", "tanh"]
)
def test_the_direct_term_of_any_shortcut(shortcut: nn.Module) -> None:
    wide = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 8))
    before, unit = ResidualUnit(branch()), ResidualUnit(wide, shortcut)
    junction = measured(before, unit)[1]
    x = before(batch()).detach().requires_grad_()
    h, f = shortcut(x), wide(x)
    arriving = 2 * (h + f).detach() / h.numel()
    (direct,) = torch.autograd.grad(h, x, arriving)
    (by_branch,) = torch.autograd.grad(f, x, arriving)
    assert junction.gradient_direct == pytest.approx(norm(direct) / norm(arriving), rel=1e-4)
    assert junction.gradient_branch == pytest.approx(norm(by_branch) / norm(arriving), rel=1e-4)
    assert junction.gradient_gain == pytest.approx(norm(direct + by_branch) / norm(arriving), rel=1e-4)


class WithATap(nn.Module):
    """x + F(x), and x once more at the output: dE/dx has a third term."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(8, 8)
        self.branch = branch()

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        return torch.cat([x + self.branch(x), 3 * x], dim=1)


def test_other_users_of_x_leave_the_branch_term_its_own() -> None:
    model = WithATap()
    (junction,) = measure(model, batch()).junctions
    x = model.before(batch()).detach().requires_grad_()
    f = model.branch(x)
    arriving = 2 * (x + f).detach() / (2 * x.numel())
    (by_branch,) = torch.autograd.grad(f, x, arriving)
    assert not junction.exact
    assert junction.gradient_direct == pytest.approx(1, rel=1e-5)
    assert junction.gradient_branch == pytest.approx(norm(by_branch) / norm(arriving), rel=1e-4)
    total = arriving + by_branch + 2 * 9 * x.detach() / (2 * x.numel())
    assert junction.gradient_gain == pytest.approx(norm(total) / norm(arriving), rel=1e-4)


class Constant(nn.Linear):
    """F(x) = value, whatever x is; x enters it by a weight of zeros, so that F is a function of x."""

    def __init__(self, value: Tensor):
        super().__init__(value.numel(), value.numel())
        with torch.no_grad():
            self.weight.zero_()
            self.bias.copy_(value.flatten())


@pytest.mark.parametrize("inplace", [False, True])
def test_truncation_of_a_constructed_signal(inplace: bool) -> None:
    y = torch.tensor([[3.0, -1.0, -2.0, 2.0, 1.0, 0.5, -0.5, 4.0]])
    x = torch.ones(1, 8)
    closing = ResidualUnit(nn.Linear(8, 8))
    unit = ResidualUnit(Constant(y - x), after_addition=nn.ReLU(inplace=inplace))
    junction, last = measured(unit, closing, x=x)
    assert junction.f == ("relu",)
    assert junction.negative_share == pytest.approx(3 / 8)
    cut = (1 + 4 + 0.25) / y.square().sum().item()
    assert junction.energy_cut == pytest.approx(cut, rel=1e-6)
    assert junction.f_scale == pytest.approx(1 - cut, rel=1e-6)
    assert last.energy_cut is None

    kept = y.clamp(min=0).requires_grad_()
    (gradient,) = torch.autograd.grad(closing(kept).square().mean(), kept)
    blocked = gradient[y < 0].square().sum() / gradient.square().sum()
    assert junction.gradient_blocked == pytest.approx(blocked.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("after", "truncates"),
    [
        (nn.ReLU6(), True),
        (nn.Hardtanh(-1, 1), False),
        (nn.Threshold(0.0, 0.0), True),
        (nn.Threshold(0.5, 0.0), False),
        (nn.LeakyReLU(), False),
    ],
    ids=str,
)
def test_activations_that_set_negative_values_to_zero(after: nn.Module, truncates: bool) -> None:
    junction, _ = measured(ResidualUnit(branch(), after_addition=after), ResidualUnit(branch()))
    assert (junction.energy_cut is not None) == truncates


def test_a_norm_between_addition_and_activation() -> None:
    after = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU())
    unit = ResidualUnit(branch(), after_addition=after)
    junction, _ = measured(unit, ResidualUnit(branch()))
    y = batch() + unit.branch(batch())
    z = functional.batch_norm(y, None, None, training=True)
    x = z.relu()
    assert junction.f == ("batch_norm", "relu")
    assert junction.negative_share == pytest.approx((z < 0).float().mean().item())
    assert junction.energy_cut == pytest.approx(
        (z.clamp(max=0).square().sum() / z.square().sum()).item(), rel=1e-4
    )
    assert junction.f_scale == pytest.approx(((x * y).sum() / (y * y).sum()).item(), rel=1e-4)
    assert junction.f_r2 == pytest.approx(
        ((x * y).sum() ** 2 / ((y * y).sum() * (x * x).sum())).item(), rel=1e-4
    )


def test_infinities_are_counted() -> None:
    value = torch.zeros(1, 8)
    value[0, :2] = torch.tensor([math.inf, math.nan])
    result = measure(nn.Sequential(ResidualUnit(Constant(value)), ResidualUnit(branch())), torch.ones(1, 8))
    assert result.junctions[0].nonfinite_share == pytest.approx(2 / 8)
    assert result.junctions[0].headroom_fp16 is None
    assert "25 % of the stream at 0 is infinite or NaN" in result.findings[0]
    result.to_json()  # is JSON all the same


def test_an_overwritten_x_is_kept_in_time() -> None:
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = 3 + x  # a sum saves nothing, so autograd lets it be overwritten
            f = self.layer(x + 0.0)
            return x.mul_(0.5) + f

    (junction,) = measure(Overwrites(), batch()).junctions
    assert (junction.kind, junction.effective_lambda) == ("scale", pytest.approx(0.5, rel=1e-6))


def test_the_default_loss() -> None:
    model, x = nn.Sequential(ResidualUnit(branch())), batch()
    targets = torch.tensor([0, 1, 2, 3])
    by_default = measure(model, x, targets).to_json()
    assert by_default == measure(model, x, targets, functional.cross_entropy).to_json()
    assert by_default != measure(model, x).to_json()
    assert measure(model, x).to_json() == measure(model, x, loss=lambda y, _: y.square().mean()).to_json()


def test_the_default_loss_of_a_dataclass() -> None:
    @dataclass(frozen=True)
    class Output:
        name: str
        stream: Tensor
        mean: Tensor

    class Structured(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unit = ResidualUnit(branch())

        def forward(self, x: Tensor) -> Output:
            stream = self.unit(x)
            return Output("stream", stream, stream.mean())

    model, x = Structured(), batch()
    structured = measure(model, x)
    assert [asdict(junction) for junction in structured.junctions] == [
        asdict(replace(junction, name="unit")) for junction in measure(model.unit, x).junctions
    ]
    assert structured.unseen == ()
