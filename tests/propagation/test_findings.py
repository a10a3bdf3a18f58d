"""The findings name the junctions and the numbers that matter."""

import json
import math

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import Scale
from resunit.propagation import Propagation, measure
from tests.propagation.blocks import WIDTH, PostLN, PreLN, deep_norm, transformer
from tests.propagation.toy import X, known, scaled_network, units_of


def sentence(result: Propagation, words: str) -> str:
    return next(finding for finding in result.findings if words in finding)


def test_a_product_that_leaves_no_direct_path() -> None:
    result = measure(scaled_network(0.5), X)
    found = sentence(result, "the direct term of stage 1 is 3.8e-06 at 0 (0.5^18 = 3.8e-06)")
    assert found.endswith("the gradient has no direct path")
    assert "amplifies" in sentence(
        measure(scaled_network(1.5), X), "the direct term of stage 1 is 1.5e3 at 0 (1.5^18 = 1.5e3)"
    )
    assert "no direct path" in sentence(measure(scaled_network(0.0), X), "multiplied by 0")


def test_a_scale_that_turns_the_sign() -> None:
    odd = sentence(measure(scaled_network(-0.9, 3), X), "the direct term of stage 1 is 0.73 at 0 (")
    assert "(-0.9)^3 = -0.73" in odd
    assert odd.endswith("73 % of the gradient comes through directly")
    assert "amplifies" in sentence(measure(scaled_network(-1.5, 3), X), "(-1.5)^3 = -3.4")


def test_gates_are_called_gates() -> None:
    torch.manual_seed(0)
    result = measure(
        resunit.create_model("resnet20", design="shortcut-only-gating", gate_bias=-1.0),
        torch.randn(2, 3, 16, 16),
    )
    first = result.junctions[0]
    found = sentence(result, f"the direct term of stage 1, behind 3 gates, is {first.direct_gain:.2g} at ")
    assert f"{first.shortcut_gain:.2g} through h alone" in found
    assert "(relu)" in found


@pytest.mark.parametrize("design", ["rezero", "skipinit"])
def test_branches_that_begin_at_zero_have_no_sign(design: str) -> None:
    torch.manual_seed(0)
    result = measure(resunit.create_model("resnet20", design=design), torch.randn(2, 3, 16, 16))
    assert [junction.branch_share for junction in result.junctions] == [0.0] * 9
    assert sentence(result, "and 8 others: F is 0 there, and nothing is added")
    assert not any("never negative" in finding or "can be negative" in finding for finding in result.findings)


def test_branches_that_end_in_an_activation_are_never_negative() -> None:
    torch.manual_seed(0)
    units = [ResidualUnit(nn.Sequential(nn.Linear(8, 8), nn.ReLU())) for _ in range(3)]
    result = measure(nn.Sequential(*units), X)
    assert sentence(result, "F is never negative at 0 and 2 others")
    assert sentence(result, "in a weight layer and not in an activation")


def test_what_changes_the_stream_on_its_way_is_named() -> None:
    units = [ResidualUnit(nn.Linear(8, 8), Scale(0.5) if number == 1 else None) for number in range(3)]
    found = sentence(measure(nn.Sequential(*units), X), "x_L differs from x_l + sum F")
    assert found.endswith("the stream is changed on the way by h at 1, which is no identity")
    torch.manual_seed(0)
    truncated = nn.Sequential(*(ResidualUnit(nn.Linear(8, 8), after_addition=nn.ReLU()) for _ in range(3)))
    found = sentence(measure(truncated, X), "x_L differs from x_l + sum F")
    assert found.endswith("the stream is changed on the way by what follows the additions")
    found = sentence(measure(scaled_network(1.0, 3).bfloat16(), X.bfloat16()), "x_L differs from x_l + sum F")
    assert found.endswith("the stream is changed on the way by rounding")


def test_identities_pass_the_signal_directly() -> None:
    assert "the signal passes directly" in sentence(measure(scaled_network(1.0), X), "Eq. (4)")


def test_truncation_names_the_worst_junction() -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20")
    result = measure(model, torch.randn(4, 3, 16, 16))
    worst = max((j for j in result.junctions if j.f), key=lambda j: known(j.energy_cut))
    found = sentence(
        result, f"the ReLU after the addition at {worst.name} cuts {100 * known(worst.energy_cut):.2g} %"
    )
    assert f"P(y < 0) = {100 * known(worst.negative_share):.2g} %" in found


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (1.0, "the junction at 0 can stretch a change of its input most, to 2 times its norm"),
        (0.01, "no junction can stretch a change of its input: at most 1 times its norm comes out, at 0"),
        (-0.5, "no junction can stretch a change of its input: at most 0.5 times its norm comes out, at 0"),
    ],
)
def test_a_junction_stretches_only_what_grows(weight: float, words: str) -> None:
    model = scaled_network(1.0, depth=1)
    with torch.no_grad():
        branch = units_of(model)[0].branch
        assert isinstance(branch, nn.Linear)
        branch.weight.copy_(weight * torch.eye(8))
    assert words in measure(model, X, also=["jacobian"]).findings


def test_what_hides_a_network_comes_before_small_effects() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen, self.hidden = scaled_network(1.0, 1), scaled_network(1.0, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                hidden = self.hidden(x)
            return self.seen(x) + 0 * hidden

    assert measure(Half(), X).evidence[0].startswith("2 additions in hidden.0, hidden.1 ran")


def test_where_transformers_put_the_norm() -> None:
    torch.manual_seed(0)
    depth, x = 6, torch.randn(2, 5, WIDTH)
    weights = torch.randn(2, 5, WIDTH)  # The mean square of what a norm returns has hardly any gradient.

    def measured(network: nn.Module) -> Propagation:
        return measure(network, x, loss=lambda output, _: (output * weights).sum())

    pre, post = measured(transformer(depth, PreLN)), measured(transformer(depth, PostLN))
    deep = measured(deep_norm(depth))
    assert [junction.kind for junction in pre.junctions] == ["identity"] * 2 * depth
    assert "the signal passes directly" in sentence(pre, "Eq. (4)")
    assert "layer_norm after the additions of stage 1" in sentence(post, "shrinks the direct term")
    assert [junction.kind for junction in deep.junctions] == ["scale"] * 2 * depth
    assert all(j.effective_lambda == pytest.approx((2 * depth) ** 0.25, rel=1e-5) for j in deep.junctions)
    # DeepNorm scales x up before the norm, so that the norm takes less of the direct path away.
    post_left, deep_left = (known(result.junctions[0].direct_gain) for result in (post, deep))
    assert post_left < deep_left < 1.05


def test_json_is_one_document_of_plain_values() -> None:
    record = json.loads(measure(scaled_network(0.5), X, name="halves").to_json())
    assert record["format"] == 2
    assert record["name"] == "halves"
    assert record["junctions"][0]["kind"] == "scale"
    assert record["junctions"][15]["direct_gain"] == pytest.approx(0.125)
    assert record["absent"] == []
    assert record["findings"]


def test_a_scale_of_each_channel_is_no_lambda() -> None:
    """Scales of 0.48 to 0.52 have an R^2 of 0.999, and are no multiple of x."""

    class ScaledChannels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.linspace(0.48, 0.52, 8))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale

    torch.manual_seed(0)
    result = measure(nn.Sequential(*(ResidualUnit(nn.Linear(8, 8), ScaledChannels()) for _ in range(4))), X)
    assert known(result.junctions[0].lambda_r2) > 0.998
    assert "the shortcut (mul)" in result.verdict.sentence
    assert not any("^4" in sentence or "h(x) =" in sentence for sentence in result.findings)
    multiple = measure(scaled_network(0.5, 4), X)
    assert "h(x) = 0.5 x" in multiple.verdict.sentence
    assert any("0.5^4" in sentence for sentence in multiple.findings)


@pytest.mark.parametrize(
    ("broken", "words"), [(2, "is infinite or NaN: what"), (1, "the first of 2 such junctions:")]
)
def test_a_stream_that_is_not_finite_obeys_no_equation(broken: int, words: str) -> None:
    units = [ResidualUnit(nn.Linear(8, 8)) for _ in range(3)]
    next(units[broken].branch.parameters()).data.fill_(math.nan)
    result = measure(nn.Sequential(*units), X)
    assert words in result.verdict.sentence
    assert "Eq. (4)" not in " ".join(result.findings)
