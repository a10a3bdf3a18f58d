"""A network measures the same in other memory layouts, with checkpointing and in other precisions."""

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.models.residual_unit import ResidualUnit
from resunit.ops.activation_checkpointing import enable_activation_checkpointing
from resunit.propagation import measure
from resunit.propagation.junction import MEASURES
from tests.propagation.toy import known


def branch() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh())


def batch() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 8)


def test_reductions_over_any_layout_are_the_same() -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design="shortcut-only-gating")
    images, targets = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
    plain = measure(model, images, targets)
    model = model.to(memory_format=torch.channels_last)
    other = measure(model, images.contiguous(memory_format=torch.channels_last), targets)
    for a, b in zip(plain.junctions, other.junctions, strict=True):
        for name in MEASURES:
            if (value := getattr(a, name)) is not None and name != "closure_error":
                assert getattr(b, name) == pytest.approx(value, rel=2e-3, abs=1e-5), name


@pytest.mark.parametrize(
    "design", ["original", pytest.param("full-preactivation", marks=pytest.mark.full), "exclusive-gating"]
)
def test_units_that_are_computed_again_measure_the_same(design: str) -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design).to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    stored = measure(model, images, torch.tensor([0, 1, 2, 3]), also=["jacobian"])
    enable_activation_checkpointing(model.stages)
    again = measure(model, images, torch.tensor([0, 1, 2, 3]), also=["jacobian"])
    for a, b in zip(stored.junctions, again.junctions, strict=True):
        for name in MEASURES:
            value, other = getattr(a, name), getattr(b, name)
            assert other == (value if value is None else pytest.approx(value, rel=1e-5, abs=1e-7)), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    model = nn.Sequential(*(ResidualUnit(branch()) for _ in range(3))).to(dtype)
    junctions = measure(model, batch().to(dtype)).junctions
    assert all(0 < known(j.branch_share) < 1 for j in junctions)
    assert all((known(j.closure_error) > 1e-4) == (dtype == torch.bfloat16) for j in junctions)


@pytest.mark.parametrize("design", ["original", "bn-after-addition", "full-preactivation"])
def test_our_compiled_batch_norm_hides_nothing(design: str) -> None:
    """In channels-last memory it computes norm and activation as one function."""
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    plain = measure(model, images, labels)
    model.to(memory_format=torch.channels_last)
    found = measure(model, images.to(memory_format=torch.channels_last), labels)
    assert found.unseen == plain.unseen == ()
    for one, other in zip(plain.junctions, found.junctions, strict=True):
        for name in MEASURES:
            value, expected = getattr(other, name), getattr(one, name)
            assert (value is None) == (expected is None), name
            if value is not None and name in ("cancellation_min", "cancellation_median"):
                value, expected = 1 + value, 1 + known(expected)  # <total, direct> / <direct, direct>
            assert value is None or value == pytest.approx(expected, rel=1e-3, abs=1e-5), name
