"""A measure that does not exist is absent, with the reason, and never zero or NaN."""

import json
import math

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.propagation import Propagation, measure
from resunit.propagation.junction import MEASURES
from resunit.propagation.show.page import render_propagation_page
from resunit.propagation.show.paper_figure import draw_paper_figure
from resunit.propagation.show.web_figure import draw_web_figures
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


def assert_explained(result: Propagation) -> None:
    """Every measure that is absent has a reason, in JSON too, and no other has one."""
    record = json.loads(result.to_json())
    for junction, plain in zip(result.junctions, record["junctions"], strict=True):
        absent = {name for name in MEASURES if plain[name] is None}
        assert absent == set(junction.absent) == set(plain["absent"])
        assert all(junction.absent.values())


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
    assert_explained(result)
    resizing = result.junctions[3]
    assert "changes the size" in resizing.absent["effective_lambda"]
    assert "changes the size" in resizing.absent["closure_error"]
    assert "lesion" in resizing.absent["loss_change"]


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


@pytest.mark.parametrize(
    ("model", "batch", "measure_name", "reason"),
    [
        (scaled_network(0.5, 1), X, "energy_cut", "no activation after the addition"),
        (scaled_network(0.0, 3), X, "cancellation_min", "nothing to cancel"),
        (zero_head(), X, "direct_gain", "no gradient of the loss"),
        (scaled_network(0.5, 3), torch.zeros_like(X), "effective_lambda", "x is zero"),
        (scaled_network(0.5, 3), X * math.nan, "direct_gain", "not finite"),
        (scaled_network(0.5, 3), X * math.inf, "stream_rms", "not finite"),
        (scaled_network(0.5, 3), X[0], "cancellation_min", "no dimension of samples"),
    ],
)
def test_each_absent_measure_has_its_reason(
    model: nn.Module, batch: Tensor, measure_name: str, reason: str
) -> None:
    result = measure(model, batch)
    assert reason in result.junctions[0].absent[measure_name]
    assert_explained(result)


def test_pictures_say_why_a_panel_is_empty_or_left_out() -> None:
    """Full pre-activation has no f that truncates; alone it has no such panel, beside the original an empty one."""
    torch.manual_seed(0)
    batch = torch.randn(4, 3, 16, 16), torch.arange(4)
    original, other = (measure(resunit.create_model(name), *batch) for name in ("resnet20", "preresnet20"))
    reason = other.junctions[0].absent["energy_cut"]
    assert reason in str(draw_paper_figure([other]).get_supxlabel()).replace("\n", " ")
    assert draw_paper_figure([original]).get_supxlabel() == ""
    both = draw_paper_figure([original, other])
    assert reason in [text.get_text().replace("\n", " ") for axes in both.axes for text in axes.texts]
    page = render_propagation_page([other])
    assert "Absent measures" in page
    assert reason in page
    drawn = [
        str(figure.to_json()).replace("\\u003cbr\\u003e", " ")
        for row in draw_web_figures([original, other])
        for figure in row
    ]
    assert sum(reason in figure for figure in drawn) == 1


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
