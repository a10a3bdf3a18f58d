"""A measure that does not exist is absent, with the reason, and never zero or NaN."""

import math

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.propagation import Propagation, measure
from resunit.propagation.junction import MEASURES
from tests.propagation.toy import X, scaled_network

OF_GRADIENTS = (
    "gradient_gain", "gradient_direct", "gradient_branch", "direct_gain", "shortcut_gain", "cancellation_min",
    "cancellation_median", "cancellation_share", "gradient_blocked",
)  # fmt: skip


def assert_finite(result: Propagation) -> None:
    for junction in result.junctions:
        for name in MEASURES:
            value = getattr(junction, name)
            assert value is None or math.isfinite(value), name


def test_one_junction_has_all_measures() -> None:
    result = measure(scaled_network(0.5, 1), X)
    (junction,) = result.junctions
    assert result.absent == ()
    assert junction.direct_gain == pytest.approx(0.5, rel=1e-6)
    assert junction.cancellation_share is not None
    assert_finite(result)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_targets", [True, False])
def test_evaluation_mode_and_no_targets_leave_out_nothing(training: bool, with_targets: bool) -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20").train(training)
    result = measure(model, torch.randn(4, 3, 16, 16), torch.arange(4) if with_targets else None)
    assert result.absent == ()
    assert all(junction.direct_gain is not None for junction in result.junctions)
    assert_finite(result)


def zero_head() -> nn.Module:
    head = nn.Linear(8, 4)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return nn.Sequential(*scaled_network(0.5, 3), head)


class ZeroOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = scaled_network(0.5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) * 0


@pytest.mark.parametrize("targets", [None, torch.tensor([0, 1, 2, 3])])
@pytest.mark.parametrize("model", [zero_head(), ZeroOutput()], ids=["head", "output"])
def test_no_gradient_is_said_in_one_sentence(model: nn.Module, targets: Tensor | None) -> None:
    result = measure(model, X, targets)
    assert len(result.absent) == 1
    assert result.findings[0] == result.absent[0]
    for junction in result.junctions:
        assert all(getattr(junction, name) is None for name in OF_GRADIENTS)
        assert junction.stream_rms is not None
        assert junction.weight_input_rms is not None
    assert_finite(result)
    assert result.to_record()["absent"] == list(result.absent)


def test_a_direct_path_that_is_closed_is_zero_and_not_absent() -> None:
    result = measure(scaled_network(0.0, 3), X)
    assert [junction.direct_gain for junction in result.junctions] == [0, 0, 0]
    assert all(junction.cancellation_min is None for junction in result.junctions), "nothing to cancel"
    assert result.absent == ()


def test_a_junction_that_the_loss_does_not_use_is_named() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = scaled_network(0.5, 2), scaled_network(0.5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.used(x), 0 * self.unused(x)])

    result = measure(Half(), X)
    *used, unused = result.junctions
    assert unused.name.startswith("unused")
    assert all(getattr(unused, name) is None for name in OF_GRADIENTS)
    assert [junction.direct_gain for junction in used] == pytest.approx([0.25, 0.5], rel=1e-6)
    (sentence,) = result.absent
    assert unused.name in sentence
