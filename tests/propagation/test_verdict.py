"""The verdict names what changes the direct path, where, and how much of the gradient is left."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import resunit
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import Scale
from resunit.propagation import Propagation, Verdict, measure
from tests.propagation.blocks import WIDTH, PostLN, PreLN, deep_norm, transformer
from tests.propagation.toy import X, known, scaled_network

BRANCHES = 40


class Layers(nn.Module):
    """`count` linear layers; `step` makes the next value of the stream from a layer and the last value."""

    def __init__(self, step: Callable[[nn.Module, Tensor], Tensor], count: int, bias: bool = True):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8, bias=bias) for _ in range(count))
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.step(layer, x)
        return x


class Highway(nn.Module):
    """A highway layer with the gate T of the branch and the gate 1 - T of the shortcut."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.branch, self.gate = nn.Linear(8, 8), nn.Linear(8, 8)
        nn.init.constant_(self.gate.bias, bias)
        nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return x * (1 - gate) + torch.relu(self.branch(x)) * gate


def truncated_units() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(ResidualUnit(nn.Linear(8, 8), after_addition=nn.ReLU()) for _ in range(3)))


def first(result: Propagation) -> Verdict:
    """Return the verdict, which begins the answer."""
    assert result.findings[0] == result.verdict.sentence
    return result.verdict


def test_a_network_of_identities_is_direct() -> None:
    result = measure(scaled_network(1.0, 4), X)
    assert first(result) == Verdict("direct", result.verdict.sentence, direct_gain=1.0)
    assert result.remedies == ()


@pytest.mark.parametrize(("scale", "depth"), [(0.5, 18), (-0.9, 3), (1.5, 6)])
def test_constant_scaling_is_scaled_by_its_power(scale: float, depth: int) -> None:
    verdict = first(measure(scaled_network(scale, depth), X))
    assert verdict.kind == "scaled"
    assert verdict.direct_gain == pytest.approx(abs(scale) ** depth, rel=1e-5)
    assert (verdict.stage, verdict.junctions) == (1, tuple(map(str, range(depth))))
    assert f"{scale:.3g} x" in verdict.sentence


def test_the_junctions_that_scale_are_named_and_no_others() -> None:
    units = [ResidualUnit(nn.Linear(8, 8), Scale(0.5) if number in (1, 3) else None) for number in range(5)]
    result = measure(nn.Sequential(*units), X)
    assert first(result).junctions == ("1", "3")
    assert result.verdict.direct_gain == pytest.approx(0.25, rel=1e-6)
    assert any("at 1 and 1 other" in remedy for remedy in result.remedies)


def test_a_sum_that_is_divided_has_a_verdict_and_a_sentence() -> None:
    torch.manual_seed(0)
    result = measure(Layers(lambda layer, x: (x + torch.tanh(layer(x))) / 2**0.5, BRANCHES), X)
    verdict = first(result)
    assert verdict.kind == "scaled"
    assert verdict.direct_gain == pytest.approx(2 ** (-BRANCHES / 2), rel=1e-4)
    assert len(verdict.junctions) == BRANCHES
    assert any("the direct term of stage 1 is 9.5e-07" in sentence for sentence in result.evidence)
    assert any("div" in sentence for sentence in result.findings)
    assert len(result.remedies) >= 1


def test_highway_layers_are_gated_and_no_sentence_says_the_contrary() -> None:
    torch.manual_seed(0)
    depth, bias = 10, -1.0
    result = measure(nn.Sequential(*(Highway(bias) for _ in range(depth))), X)
    verdict = first(result)
    assert verdict.kind == "gated"
    # The gates do not depend on x, so that h(x) = (1 - sigmoid(bias)) x.
    assert verdict.direct_gain == pytest.approx((1 - 1 / (1 + math.exp(-bias))) ** depth, rel=1e-4)
    assert set(verdict.junctions) == set(map(str, range(depth)))
    assert not any("passes directly" in sentence for sentence in result.findings)
    assert first(measure(nn.Sequential(*(Highway(-9.0) for _ in range(depth))), X)).kind == "direct"


def test_an_activation_after_the_addition_truncates() -> None:
    result = measure(truncated_units(), X)
    verdict = first(result)
    assert verdict.kind == "truncated"
    assert verdict.direct_gain == result.junctions[0].direct_gain
    assert set(verdict.junctions) <= {"0", "1", "2"}
    assert any(verdict.junctions[0] in remedy for remedy in result.remedies)


def test_norms_after_the_addition_scale_and_deepnorm_is_direct() -> None:
    torch.manual_seed(0)
    x, weights = torch.randn(2, 2, 5, WIDTH)

    def judged(network: nn.Module) -> Verdict:
        return first(measure(network, x, loss=lambda output, _: (output * weights).sum()))

    assert judged(transformer(6, PreLN)).kind == "direct"
    assert judged(deep_norm(6)).kind == "direct"
    post = judged(transformer(6, PostLN))
    assert post.kind == "scaled"
    assert "layer_norm" in post.sentence


def test_a_loss_that_a_norm_makes_constant_is_named_before_the_norms() -> None:
    torch.manual_seed(0)
    network, (x, weights) = transformer(3, PostLN), torch.randn(2, 2, 5, WIDTH)
    # The mean square of what the last norm returns is 1, whatever the network computes.
    assert "loss=" in measure(network, x).remedies[0]
    result = measure(network, x, loss=lambda output, _: (output * weights).sum())
    assert not any("loss=" in remedy for remedy in result.remedies)


class Resized(nn.Module):
    """A unit whose shortcut is a linear map into another size."""

    def __init__(self, before: int, after: int, factor: float) -> None:
        super().__init__()
        self.shortcut = nn.Linear(before, after, bias=False)
        self.branch = nn.Sequential(nn.Linear(before, 4 * after), nn.Tanh(), nn.Linear(4 * after, after))
        with torch.no_grad():
            self.shortcut.weight.mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.branch(x)


def test_a_junction_that_changes_the_size_gives_no_verdict_where_others_keep_it() -> None:
    torch.manual_seed(0)
    assert first(measure(nn.Sequential(Resized(8, 16, 20.0), Resized(16, 8, 20.0)), X)).kind == "scaled"
    kept = nn.Sequential(Resized(8, 16, 20.0), Resized(16, 8, 20.0), *scaled_network(1.0, 2))
    assert first(measure(kept, X)).kind == "direct"


@pytest.mark.parametrize(
    ("design", "options", "kind"),
    [
        ("original", {}, "truncated"),
        ("plain", {}, "blocked"),
        ("constant-scaling", {}, "scaled"),
        ("shortcut-only-gating", {"gate_bias": 1.0}, "gated"),
        ("dropout-shortcut", {}, "scaled"),
        ("bn-after-addition", {}, "truncated"),
        ("relu-before-addition", {}, "direct"),
        ("full-preactivation", {}, "direct"),
        ("layer-scale", {}, "direct"),
    ],
)
def test_the_designs(design: str, options: dict[str, Any], kind: str) -> None:
    torch.manual_seed(0)
    model = resunit.create_model("resnet20", design=design, **options)
    result = measure(model, torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]))
    verdict = first(result)
    assert verdict.kind == kind
    assert any("the signal passes directly" in sentence for sentence in result.findings) == (kind == "direct")
    if verdict.stage is not None:
        gains = [
            j.direct_gain
            for j in result.junctions
            if j.stage == verdict.stage and j.effective_lambda is not None
        ]
        assert verdict.direct_gain == gains[0]


def test_two_causes_of_one_size_are_both_named() -> None:
    def measured(scale: float) -> Propagation:
        torch.manual_seed(0)
        units = [ResidualUnit(nn.Linear(8, 8), Scale(scale), after_addition=nn.ReLU()) for _ in range(3)]
        return measure(nn.Sequential(*units), X)

    nearly_one = measured(0.999).junctions[0]
    scale = (known(nearly_one.direct_gain) / known(nearly_one.shortcut_gain)) ** (1 / 3)
    result = measured(scale)
    assert f"{scale:.3g} x" in first(result).sentence
    assert "relu" in result.verdict.sentence
    assert len(result.remedies) >= 2


def test_a_closed_path_is_blocked_where_it_is_closed() -> None:
    units = [ResidualUnit(nn.Linear(8, 8), Scale(0.0) if number == 2 else None) for number in range(4)]
    result = measure(nn.Sequential(*units), X)
    assert first(result).kind == "blocked"
    assert result.verdict.junctions == ("2",)
    assert result.verdict.direct_gain == 0


def test_values_that_are_not_finite_block() -> None:
    class Overflow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * math.inf

    units = [ResidualUnit(nn.Sequential(nn.Linear(8, 8), Overflow())), ResidualUnit(nn.Linear(8, 8))]
    result = measure(nn.Sequential(*units), X)
    assert first(result).kind == "blocked"
    assert result.verdict.junctions == ("0",)
    assert result.verdict.direct_gain is None
    assert len(result.remedies) == 1


def test_without_a_gradient_the_verdict_is_unmeasured() -> None:
    head = nn.Linear(8, 3)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    result = measure(nn.Sequential(*scaled_network(0.5, 3), head), X)
    assert first(result).kind == "unmeasured"
    assert result.findings.count(result.absent[0]) == 1


def test_a_tiny_stream_is_remarked_on_first() -> None:
    torch.manual_seed(0)
    network = Layers(lambda layer, x: x + torch.tanh(layer(x)), 4, bias=False)
    result = measure(network, 5e-36 * X)
    assert first(result).kind == "direct"
    least = min(known(junction.stream_rms) for junction in result.junctions)
    assert f"{least:.2g}" in result.evidence[0]
    assert len(result.remedies) == 1


def test_updates_without_gradients_do_not_hide_the_verdict() -> None:
    class Codebook(nn.Module):
        book: Tensor
        average: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = scaled_network(1.0, 2), scaled_network(1.0, 2)
            self.register_buffer("book", torch.randn(16, 8))
            self.register_buffer("average", torch.zeros(16, 8))

        def forward(self, x: Tensor) -> Tensor:
            x = self.before(x)
            chosen = torch.cdist(x, self.book).argmin(-1)
            quantised = self.book[chosen]
            with torch.no_grad():
                sums = torch.zeros_like(self.average).index_add_(0, chosen, x)
                self.average.mul_(0.9).add_(sums, alpha=0.1)
                self.book.copy_(self.book * 0.9 + self.average * 0.1)
            return self.after(x + (quantised - x).detach())

    torch.manual_seed(0)
    assert first(measure(Codebook(), X)).kind == "direct"


def test_the_document_carries_the_verdict() -> None:
    result = measure(scaled_network(0.5, 3), X)
    record = json.loads(result.to_json())
    assert record["verdict"] == {
        "kind": "scaled",
        "sentence": result.findings[0],
        "stage": 1,
        "junctions": ["0", "1", "2"],
        "direct_gain": pytest.approx(0.125),
    }
    assert record["remedies"] == list(result.remedies)
    assert record["findings"] == [result.verdict.sentence, *result.evidence, *result.remedies, result.summary]
