"""Each design against its formula, written out straight."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, pad, relu

from resunit import ResidualUnit
from resunit.models.designs import DESIGNS
from resunit.models.network import NetworkSpec, UnitPlan, build_unit, unit_plans
from resunit.models.registry import network_spec
from resunit.models.residual_unit import BranchKind
from resunit.models.shortcuts import DropoutShortcut, ExclusivelyGatedUnit, Gate, GatedShortcut, LearnedScale
from tests.models.parts import part

SAME = UnitPlan(16, 16, 1, first_of_stage=False, first_of_network=False, depth=1)
WIDER = UnitPlan(16, 32, 2, first_of_stage=True, first_of_network=False, depth=1)


Unit = ResidualUnit | ExclusivelyGatedUnit


def unit(design: str, plan: UnitPlan, branch: BranchKind = "basic", **options: object) -> Unit:
    torch.manual_seed(0)
    spec = NetworkSpec(
        "cifar", branch, (), (), (), 16, 10, design=design, design_options=options, shortcut_option="A"
    )
    module = build_unit(spec, plan)
    assert isinstance(module, Unit)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return module


def n(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    return batch_norm(x, None, None, norm.weight, norm.bias, training=True)


def c(x: Tensor, conv: nn.Conv2d) -> Tensor:
    return conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding)


def parts(module: nn.Module) -> tuple[list[nn.Conv2d], list[nn.BatchNorm2d]]:
    layers = list(module.modules())
    return [m for m in layers if isinstance(m, nn.Conv2d)], [
        m for m in layers if isinstance(m, nn.BatchNorm2d)
    ]


def widened(x: Tensor) -> Tensor:
    return pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 16))


def original_branch(module: Unit, x: Tensor) -> Tensor:
    (conv1, conv2), (norm1, norm2) = parts(module.branch)
    return n(c(relu(n(c(x, conv1), norm1)), conv2), norm2)


@pytest.fixture(params=[SAME, WIDER], ids=["same-size", "wider"])
def case(request: pytest.FixtureRequest) -> tuple[UnitPlan, Tensor, Tensor]:
    """A unit's place, an input with negative values, and h(x) before any variant acts."""
    torch.manual_seed(1)
    x = torch.randn(4, 16, 8, 8)
    return request.param, x, x if request.param is SAME else widened(x)


Case = tuple[UnitPlan, Tensor, Tensor]


def test_original(case: Case) -> None:
    plan, x, h = case
    module = unit("original", plan)
    torch.testing.assert_close(module(x), relu(h + original_branch(module, x)))


def test_plain(case: Case) -> None:
    plan, x, _ = case
    module = unit("plain", plan)
    torch.testing.assert_close(module(x), relu(original_branch(module, x)))


def test_constant_scaling(case: Case) -> None:
    plan, x, h = case
    module = unit("constant-scaling", plan, shortcut_scale=0.25, branch_scale=0.75)
    torch.testing.assert_close(module(x), relu(0.25 * h + 0.75 * original_branch(module, x)))


def gate(h: Tensor, module: nn.Module) -> Tensor:
    (conv,) = [m.conv for m in module.modules() if isinstance(m, Gate)]
    assert conv.weight.shape == (h.shape[1], h.shape[1], 1, 1)
    assert conv.bias is not None
    assert torch.equal(conv.bias, torch.full((h.shape[1],), -3.0))
    return 1 / (1 + torch.exp(-(torch.einsum("oi,nihw->nohw", conv.weight[:, :, 0, 0], h) - 3.0)))


def test_exclusive_gating(case: Case) -> None:
    plan, x, h = case
    module = unit("exclusive-gating", plan, gate_bias=-3.0)
    g = gate(h, module)
    torch.testing.assert_close(module(x), relu((1 - g) * h + g * original_branch(module, x)))


def test_shortcut_only_gating(case: Case) -> None:
    plan, x, h = case
    module = unit("shortcut-only-gating", plan, gate_bias=-3.0)
    torch.testing.assert_close(module(x), relu((1 - gate(h, module)) * h + original_branch(module, x)))


def test_conv_shortcut(case: Case) -> None:
    plan, x, _ = case
    module = unit("conv-shortcut", plan)
    (conv,), (norm,) = parts(module.shortcut)
    assert conv.kernel_size == (1, 1)
    torch.testing.assert_close(module(x), relu(n(c(x, conv), norm) + original_branch(module, x)))


def test_dropout_shortcut(case: Case) -> None:
    plan, x, h = case
    module = unit("dropout-shortcut", plan)
    y = module.shortcut(x)
    kept = y != 0
    assert torch.equal(y[kept], h[kept])  # not rescaled: the expectation is h / 2
    assert 0.4 < kept[:, :16].float().mean() < 0.6
    module.eval()
    assert torch.equal(module.shortcut(x), 0.5 * h)


def test_bn_after_addition(case: Case) -> None:
    plan, x, h = case
    module = unit("bn-after-addition", plan)
    (conv1, conv2), (norm1,) = parts(module.branch)
    _, (after,) = parts(module.after_addition)
    torch.testing.assert_close(module(x), relu(n(h + c(relu(n(c(x, conv1), norm1)), conv2), after)))


def test_relu_before_addition(case: Case) -> None:
    plan, x, h = case
    module = unit("relu-before-addition", plan)
    torch.testing.assert_close(module(x), h + relu(original_branch(module, x)))


def test_relu_only_preactivation() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("relu-only-preactivation", SAME)
    (conv1, conv2), (norm1, norm2) = parts(module.branch)
    torch.testing.assert_close(module(x), x + n(c(relu(n(c(relu(x), conv1), norm1)), conv2), norm2))


def test_relu_only_preactivation_is_shared_where_channels_change() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("relu-only-preactivation", WIDER)
    (conv1, conv2), (norm1, norm2) = parts(module.branch)
    expected = widened(relu(x)) + n(c(relu(n(c(relu(x), conv1), norm1)), conv2), norm2)
    torch.testing.assert_close(module(x), expected)


def test_full_preactivation() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("full-preactivation", SAME)
    (conv1, conv2), (norm1, norm2) = parts(module.branch)
    torch.testing.assert_close(module(x), x + c(relu(n(c(relu(n(x, norm1)), conv1), norm2)), conv2))


def test_full_preactivation_is_shared_where_channels_change() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("full-preactivation", WIDER)
    (conv1, conv2), (norm2,) = parts(module.branch)
    _, (norm1,) = parts(module.shared_preact)
    a = relu(n(x, norm1))
    torch.testing.assert_close(module(x), widened(a) + c(relu(n(c(a, conv1), norm2)), conv2))


def test_rezero_begins_as_the_identity(case: Case) -> None:
    plan, x, _ = case
    module = unit("rezero", plan)
    norm1 = parts(module if plan is SAME else module.shared_preact)[1][0]
    a = relu(n(x, norm1))
    assert (
        torch.equal(module(x), x)
        if plan is SAME
        else torch.equal(module(x), widened(module.shared_preact(x)))
    )
    (scale,) = [m for m in module.modules() if isinstance(m, LearnedScale)]
    assert scale.scale.numel() == 1
    nn.init.constant_(scale.scale, 0.3)
    (conv1, conv2), norms = parts(module.branch)
    f = c(relu(n(c(a, conv1), norms[-1])), conv2)
    torch.testing.assert_close(module(x), (x if plan is SAME else widened(a)) + 0.3 * f)


def test_skipinit_has_no_norm_at_all() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("skipinit", SAME)
    (conv1, conv2), norms = parts(module)
    assert norms == []
    (scale,) = [m for m in module.modules() if isinstance(m, LearnedScale)]
    assert torch.equal(module(x), x)
    nn.init.constant_(scale.scale, -0.5)
    torch.testing.assert_close(module(x), x - 0.5 * c(relu(c(relu(x), conv1)), conv2))


def test_layer_scale_has_one_number_a_channel() -> None:
    x = torch.randn(4, 16, 8, 8)
    module = unit("layer-scale", SAME, initial_scale=0.25)
    (scale,) = [m for m in module.modules() if isinstance(m, LearnedScale)]
    assert torch.equal(scale.scale, torch.full((16, 1, 1), 0.25))
    nn.init.uniform_(scale.scale)
    (conv1, conv2), (norm1, norm2) = parts(module.branch)
    f = c(relu(n(c(relu(n(x, norm1)), conv1), norm2)), conv2)
    torch.testing.assert_close(module(x), x + scale.scale * f)


def test_stochastic_depth_drops_whole_branches_the_deeper_the_more_often(case: Case) -> None:
    plan, x, h = case
    module = unit("stochastic-depth", replace(plan, depth=0.5), final_survival=0.2)  # survives with 0.6
    survived = 0
    for _ in range(500):
        y = module(x)
        dropped = torch.equal(y, relu(h))
        survived += not dropped
        assert dropped or y.isclose(relu(h + original_branch(module, x)), rtol=1e-4, atol=1e-4).all()
    assert 240 < survived < 360
    module.eval()
    f = part(module, "branch", nn.Sequential)[:-1]
    torch.testing.assert_close(module(x), relu(h + 0.6 * f(x)))
    depths = [plan.depth for plans in unit_plans(network_spec("resnet20")) for plan in plans]
    assert depths == pytest.approx([number / 9 for number in range(1, 10)])


def test_bottleneck_and_one_layer_branches() -> None:
    x = torch.randn(2, 16, 8, 8)
    module = unit("full-preactivation", SAME, branch="bottleneck")
    (conv1, conv2, conv3), (norm1, norm2, norm3) = parts(module.branch)
    assert [conv.kernel_size[0] for conv in (conv1, conv2, conv3)] == [1, 3, 1]
    assert conv2.in_channels == conv2.out_channels == 4
    inner = c(relu(n(c(relu(n(x, norm1)), conv1), norm2)), conv2)
    torch.testing.assert_close(module(x), x + c(relu(n(inner, norm3)), conv3))

    module = unit("original", SAME, branch="one-layer")
    (conv1,), (norm1,) = parts(module.branch)
    torch.testing.assert_close(module(x), relu(x + n(c(x, conv1), norm1)))

    module = unit("full-preactivation", SAME, branch="one-layer")
    (conv1,), (norm1,) = parts(module.branch)
    torch.testing.assert_close(module(x), x + c(relu(n(x, norm1)), conv1))


@pytest.mark.parametrize(("inverted", "expectation"), [(False, 0.7), (True, 1.0)])
def test_dropout_keeps_its_expectation_in_evaluation(inverted: bool, expectation: float) -> None:
    torch.manual_seed(0)
    dropout = DropoutShortcut(0.3, inverted)
    x = torch.ones(400_000)
    assert dropout(x).mean().item() == pytest.approx(expectation, abs=0.01)
    assert torch.equal(dropout.eval()(x), torch.full_like(x, expectation))


def test_an_exclusive_gate_is_registered_once() -> None:
    module = unit("exclusive-gating", SAME)
    assert isinstance(module, ExclusivelyGatedUnit)
    assert sum(isinstance(m, Gate) for m in module.modules()) == 1
    assert not any(isinstance(m, GatedShortcut) for m in module.modules())


def test_a_unit_of_ones_own_is_three_parts() -> None:
    halve, double = nn.Hardtanh(-0.5, 0.5), nn.Hardtanh(-2, 2)
    module = ResidualUnit(branch=double, shortcut=halve, after_addition=nn.ReLU())
    x = torch.linspace(-3, 3, 7)
    assert torch.equal(module(x), relu(x.clamp(-0.5, 0.5) + x.clamp(-2, 2)))


def test_a_shortcut_without_children_is_still_a_shortcut() -> None:
    class Half(nn.Sequential):  # empty, so false as a condition
        def forward(self, input: Tensor) -> Tensor:
            return input / 2

    x = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(ResidualUnit(nn.Identity(), shortcut=Half())(x), 1.5 * x)


@pytest.mark.parametrize("design", DESIGNS)
def test_gradients_reach_every_parameter(design: str) -> None:
    module = unit(design, WIDER)
    module(torch.randn(4, 16, 8, 8)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
