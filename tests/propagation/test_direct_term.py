"""The direct term of Eqs. (5) and (8) is the gradient of networks whose branches are cut off by hand."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import resunit
from resunit.inference.subjects import find_subject
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import Gate, GatedShortcut, Scale
from resunit.propagation import Instrument, measure
from tests.propagation.toy import X, known, scaled_network


def norm(x: Tensor) -> float:
    return x.double().norm().item()


def gradient(of: Tensor, by: Tensor, arriving: Tensor) -> Tensor:
    (result,) = torch.autograd.grad(of, by, arriving)
    return result


def gradients_without_branches(units: Sequence[Any], x: Tensor, arriving: Tensor) -> list[Tensor]:
    """Return the gradient at the entry of each unit, given that at the end, with every branch cut off."""
    entries = [x.detach().requires_grad_()]
    for unit in units:
        sum_ = unit.shortcut(entries[-1]) + unit.branch(entries[-1]).detach()
        entries.append(unit.after_addition(sum_))
    return list(torch.autograd.grad(entries[-1], entries[:-1], arriving))


def gradient_through_shortcuts(units: Sequence[Any], x: Tensor, arriving: Tensor) -> Tensor:
    """Return the product of the vector-Jacobian products of the shortcuts alone."""
    entries = [x.detach()]
    for unit in units:
        entries.append(unit(entries[-1]).detach())
    for unit, entry in zip(reversed(units), reversed(entries[:-1]), strict=True):
        leaf = entry.requires_grad_()
        arriving = gradient(unit.shortcut(leaf), leaf, arriving)
    return arriving


class Stage:
    """The first stage of a network, taken apart: its units, their inputs and the gradient at its end."""

    def __init__(self, model: Any, images: Tensor, labels: Tensor):
        self.units = list(model.stages[0])
        entries = [model.stem(images).detach().requires_grad_()]
        for unit in self.units:
            entries.append(unit(entries[-1]))
        x = entries[-1]
        for stage in list(model.stages)[1:]:
            x = stage(x)
        logits = model.classifier(model.final_activation(x).mean((2, 3)))
        *self.totals, self.arriving = torch.autograd.grad(functional.cross_entropy(logits, labels), entries)
        self.entries = [entry.detach() for entry in entries]


def stage_of_resnet20(design: str, **options: Any) -> tuple[Any, Stage, Tensor, Tensor]:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design, **options)
    images, labels = torch.randn(8, 3, 16, 16), torch.arange(8)
    return model, Stage(model, images, labels), images, labels


DESIGNS: dict[str, dict[str, Any]] = {
    "conv-shortcut": {},
    "shortcut-only-gating": {"gate_bias": -1.0},
    "constant-scaling": {},
    "bn-after-addition": {},
    "original": {},
    "relu-before-addition": {},
    "full-preactivation": {},
}


@pytest.mark.parametrize("design", DESIGNS)
def test_designs_against_networks_with_detached_branches(design: str) -> None:
    model, stage, images, labels = stage_of_resnet20(design, **DESIGNS[design])
    result = measure(model, images, labels)
    expected = gradients_without_branches(stage.units, stage.entries[0], stage.arriving)
    for number, (junction, direct) in enumerate(zip(result.junctions, expected, strict=False)):
        assert junction.stage == 1
        assert junction.direct_gain == pytest.approx(norm(direct) / norm(stage.arriving), rel=2e-3)
        through_h = gradient_through_shortcuts(stage.units[number:], stage.entries[number], stage.arriving)
        assert junction.shortcut_gain == pytest.approx(norm(through_h) / norm(stage.arriving), rel=2e-3)
        by_sample = [
            ((total - one) * one).sum().item() / (one * one).sum().item()
            for total, one in zip(stage.totals[number].double(), direct.double(), strict=True)
        ]
        for measured, right in (
            (junction.cancellation_min, min(by_sample)),
            (junction.cancellation_median, torch.tensor(by_sample).quantile(0.5).item()),
        ):
            assert 1 + known(measured) == pytest.approx(1 + right, rel=1e-2, abs=1e-2)
        assert junction.cancellation_share == pytest.approx(sum(r < -0.9 for r in by_sample) / 8)
    first = gradients_without_branches(stage.units[:2], stage.entries[0], stage.totals[2])[0]
    assert result.direct(0, 2) == pytest.approx(norm(first) / norm(stage.totals[2]), rel=2e-3)


# The table of the paper's designs: h alone, and with f, at the second unit of the first stage.
AT_DEPTH_110: dict[str, tuple[dict[str, Any], float, float]] = {
    "conv-shortcut": ({}, 19, 0.072),
    "shortcut-only-gating": ({"gate_bias": -6.0}, 0.76, 0.32),
    "constant-scaling": ({}, 0.5**17, 3.2e-07),
    "bn-after-addition": ({}, 1.0, 0.01),
    "original": ({}, 1.0, 0.56),
    "full-preactivation": ({}, 1.0, 1.0),
}


@pytest.mark.full
@pytest.mark.parametrize("design", AT_DEPTH_110)
def test_designs_at_depth_110(design: str) -> None:
    options, alone, with_f = AT_DEPTH_110[design]
    subject = find_subject("resnet110", design=design, options=options)
    assert subject.targets is not None
    junction = measure(subject.model, subject.inputs, subject.targets).junctions[1]
    stage = Stage(subject.model, subject.inputs, subject.targets)
    direct = gradients_without_branches(stage.units[1:], stage.entries[1], stage.arriving)[0]
    through_h = gradient_through_shortcuts(stage.units[1:], stage.entries[1], stage.arriving)
    assert junction.direct_gain == pytest.approx(norm(direct) / norm(stage.arriving), rel=1e-2)
    assert junction.shortcut_gain == pytest.approx(norm(through_h) / norm(stage.arriving), rel=1e-2)
    # The leading digits depend on how the images are normalised.
    assert math.log10(known(junction.shortcut_gain)) == pytest.approx(math.log10(alone), abs=0.05)
    assert math.log10(known(junction.direct_gain)) == pytest.approx(math.log10(with_f), abs=0.25)


def test_direct_and_rest_add_up_to_the_total_by_explicit_jacobians() -> None:
    """In three units x -> relu(0.8 x + F(x)) both terms are sums over paths, each a product of matrices."""
    torch.manual_seed(0)
    units = [
        ResidualUnit(nn.Sequential(nn.Linear(3, 3), nn.Tanh()), Scale(0.8), nn.ReLU()).double()
        for _ in range(3)
    ]
    x = torch.rand(1, 3, dtype=torch.float64)
    result = measure(nn.Sequential(*units), x)
    shortcuts, branches, functions, entries = [], [], [], [x]
    jacobian = torch.autograd.functional.jacobian
    for unit in units:
        value = entries[-1]
        sum_ = unit.shortcut(value) + unit.branch(value)
        shortcuts.append(jacobian(unit.shortcut, value).reshape(3, 3))
        branches.append(jacobian(unit.branch, value).reshape(3, 3))
        functions.append(jacobian(unit.after_addition, sum_).reshape(3, 3))
        entries.append(unit.after_addition(sum_).detach())
    arriving = 2 * entries[-1].flatten() / 3  # of the mean square
    for start in range(3):
        direct, rest = arriving.clone(), torch.zeros(3, dtype=torch.float64)
        for number in reversed(range(start, 3)):
            at_sum, rest_at_sum = direct @ functions[number], rest @ functions[number]
            # A path is part of the rest from the first branch on that it passes.
            rest = rest_at_sum @ (shortcuts[number] + branches[number]) + at_sum @ branches[number]
            direct = at_sum @ shortcuts[number]
        junction = result.junctions[start]
        last = norm(result_of_last_sum(arriving, functions[-1]))
        assert junction.direct_gain == pytest.approx(norm(direct) / norm(arriving), rel=1e-9)
        assert known(junction.gradient_gain) * last == pytest.approx(norm(direct + rest), rel=1e-9)
        ratio = (rest @ direct / (direct @ direct)).item()
        assert junction.cancellation_min == pytest.approx(ratio, rel=1e-9, abs=1e-12)
        assert junction.cancellation_median == pytest.approx(ratio, rel=1e-9, abs=1e-12)


def result_of_last_sum(arriving: Tensor, function: Tensor) -> Tensor:
    """Return the gradient of the last sum, to which `gradient_gain` is relative."""
    return arriving @ function


@pytest.mark.parametrize("scale", [0.5, 0.9, 1.5])
def test_constant_scaling_is_the_product_of_the_lambdas_times_the_part_of_f(scale: float) -> None:
    """f is a leaky ReLU of slope 1 above zero; all sums are positive, or all are halved by f(y) = y / 2."""

    class Half(nn.Module):
        def forward(self, y: Tensor) -> Tensor:
            return y * 0.5

    units = (ResidualUnit(nn.Linear(8, 8), Scale(scale), Half()) for _ in range(6))
    for number, junction in enumerate(measure(nn.Sequential(*units), X).junctions):
        assert junction.shortcut_gain == pytest.approx(scale ** (6 - number), rel=1e-5)
        assert junction.direct_gain == pytest.approx((0.5 * scale) ** (6 - number), rel=1e-5)


def test_exclusive_gates_against_an_explicit_product() -> None:
    model, stage, images, labels = stage_of_resnet20("exclusive-gating", gate_bias=-1.0)
    arriving = stage.arriving
    gains = []
    for unit, entry in zip(reversed(stage.units), reversed(stage.entries[:-1]), strict=True):
        x = entry.clone().requires_grad_()
        gate = unit.gate(x)
        out = unit.after_addition((1 - gate) * x + (gate * unit.branch(x)).detach())
        arriving = gradient(out, x, arriving)
        gains.insert(0, norm(arriving) / norm(stage.arriving))
    found = [junction.direct_gain for junction in measure(model, images, labels).junctions[:3]]
    assert found == pytest.approx(gains, rel=1e-3)


def test_gated_shortcuts_by_the_derivative_of_the_gate() -> None:
    """For h(x) = (1 - g(x)) x with g = sigmoid(w x + b), h'(x) = (1 - g) - w g (1 - g) x."""
    gate = Gate(1, -1.0)
    nn.init.constant_(gate.conv.weight, 2.0)
    units = [ResidualUnit(nn.Conv2d(1, 1, 1), GatedShortcut(gate)) for _ in range(2)]
    x = torch.randn(4, 1, 3, 3)
    result = measure(nn.Sequential(*units), x)
    entries = [x, units[0](x).detach()]
    arriving = 2 * units[1](entries[1]).detach() / x.numel()
    direct = arriving
    for entry in reversed(entries):
        g = torch.sigmoid(2 * entry - 1)
        direct = direct * ((1 - g) - 2 * g * (1 - g) * entry)
    assert result.junctions[0].direct_gain == pytest.approx(norm(direct) / norm(arriving), rel=1e-5)


def test_the_direct_terms_visit_fewer_nodes_than_a_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = scaled_network(0.5, 30)
    instrument = Instrument(model)
    detection = instrument.detect(X)
    grad, products = torch.autograd.grad, 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal products
        products += 1
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    instrument.measure(X)
    # One pass; for each junction h once for the unit's own term and once for the direct term, which h alone
    # shares where nothing stands between the junctions.
    assert products <= 1 + 2 * len(detection.junctions)


class Droppable(nn.Module):
    """Returns f(x + F(x)), or f(x) if it is left out, as stochastic depth does."""

    def __init__(self, f: nn.Module):
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
        self.f = f
        self.is_left_out = False

    def forward(self, x: Tensor, cut: bool = False) -> Tensor:
        if self.is_left_out:
            return self.f(x)
        return self.f(x + (self.branch(x).detach() if cut else self.branch(x)))


class Dropping(nn.Module):
    """Four such units; `entries` holds the inputs of the units, and the output."""

    def __init__(self, f: nn.Module):
        super().__init__()
        self.units = nn.ModuleList(Droppable(f) for _ in range(4))

    def forward(self, x: Tensor, cut: bool = False) -> Tensor:
        self.entries = [x]
        for unit in self.units:
            self.entries.append(unit(self.entries[-1], cut))
        return self.entries[-1]


@pytest.mark.parametrize("f", [nn.Identity(), nn.ReLU(), nn.Tanh()], ids=["identity", "relu", "tanh"])
@pytest.mark.parametrize("left_out", [0, 1, 3])
def test_a_unit_that_a_pass_leaves_out_hands_the_direct_term_on(left_out: int, f: nn.Module) -> None:
    torch.manual_seed(0)
    model = Dropping(f)
    instrument = Instrument(model)
    instrument.detect(X)
    unit = model.units[left_out]
    assert isinstance(unit, Droppable)
    unit.is_left_out = True
    result = instrument.measure(X)
    reached = [number for number in range(4) if number != left_out]
    assert [j.stream_rms is not None for j in result.junctions] == [n in reached for n in range(4)]
    # The stage ends behind the last unit that adds.
    end = reached[-1] + 1
    output = model(X.clone().requires_grad_())
    (arriving,) = torch.autograd.grad(output.square().mean(), [model.entries[end]])
    model(X.clone().requires_grad_(), True)
    entries = model.entries
    for number in reached:
        (direct,) = torch.autograd.grad(entries[end], entries[number], arriving, retain_graph=True)
        junction = result.junctions[number]
        assert junction.direct_gain == pytest.approx(norm(direct) / norm(arriving), rel=1e-5)
        assert junction.shortcut_gain == pytest.approx(1, rel=1e-5)
    assert result.absent == ()
