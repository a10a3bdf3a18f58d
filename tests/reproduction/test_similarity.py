"""Similarity is decided by an equivalence test, and "no worse" by one side of it."""

import pytest

from resunit.reproduction.paper.networks import network
from tests.reproduction.made_up_runs import ORIGINAL, outcome_of, runs
from tests.reproduction.welch_by_hand import p_above, p_below, p_similar


@pytest.mark.parametrize(("difference", "verdict"), [(0.5, "held"), (1.6, "undecided"), (2.4, "undecided"),
                                                     (4.0, "not held"), (-4.0, "not held")])  # fmt: skip
def test_similarity_is_decided_by_two_one_sided_tests(difference: float, verdict: str) -> None:
    relu_only = network("resnet110", "relu-only-preactivation")
    baseline, changed = runs(ORIGINAL, 60.0), runs(relu_only, 60.0 + difference)
    found = outcome_of("relu-only-preactivation-is-similar-resnet110", [*baseline, *changed])
    assert found.verdict == verdict
    one, other = ([e for r in records if (e := r.test_error) is not None] for records in (changed, baseline))
    if abs(difference) < 2:
        expected = p_similar(one, other, 2.0)
    else:  # It is beyond the margin, on one side: tested on both, as differences from zero are.
        side = 2.0 if difference > 0 else -2.0
        expected = 2 * min(p_above(one, other, side), p_below(one, other, side))
    assert found.p == pytest.approx(expected)
    assert "margin ±2 points" in found.sentence


@pytest.mark.parametrize(("difference", "verdict"), [(-9.0, "held"), (0.5, "held"), (2.0, "undecided"),
                                                     (4.0, "not held")])  # fmt: skip
def test_no_worse_allows_better(difference: float, verdict: str) -> None:
    few, few_conv = network("resnet20"), network("resnet20", "conv-shortcut")
    records = [*runs(few, 60.0), *runs(few_conv, 60.0 + difference)]
    found = outcome_of("conv-shortcut-does-well-with-few-units", records)
    assert found.verdict == verdict
    assert "margin 2 points" in found.sentence


def test_nothing_is_similar_to_a_baseline_that_learned_nothing() -> None:
    relu_only = network("resnet110", "relu-only-preactivation")
    claim = "relu-only-preactivation-is-similar-resnet110"
    assert outcome_of(claim, [*runs(ORIGINAL, 90.0), *runs(relu_only, 90.0)]).verdict == "undecided"
    assert outcome_of(claim, [*runs(ORIGINAL, 60.0), *runs(relu_only, None)]).verdict == "not held"
    assert outcome_of(claim, [*runs(ORIGINAL, None), *runs(relu_only, 60.0)]).verdict == "undecided"
    some = [*runs(relu_only, 60.0)[:2], *runs(relu_only, None)[2:]]
    assert outcome_of(claim, [*runs(ORIGINAL, 60.0), *some]).verdict == "undecided"
