"""Pilots: what they say about spread, margins and seeds, and that they decide no claim."""

import math
from dataclasses import replace
from statistics import fmean, stdev, variance

import numpy as np
import pytest
from scipy import stats

from resunit.reproduction.claims import judge_claims
from resunit.reproduction.claims.statistics import pooled_deviation, power
from resunit.reproduction.paper.networks import NetworkChoice, network
from resunit.reproduction.pilots import examine_pilots
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import MARGINS, runs

ORIGINAL = network("resnet110", "original")
PREACTIVATION = network("resnet110", "full-preactivation")
PLAIN = network("resnet110", "plain")
GATED = network("resnet110", "exclusive-gating", gate_bias=-6.0)


def pilot(net: NetworkChoice, errors: tuple[float, ...], train_error: float = 40.0) -> list[ExperimentRecord]:
    made = runs(net, 50.0, seeds=len(errors), split="validation", recipe="held out")
    return [
        replace(record, test_error=error, train_error=train_error)
        for record, error in zip(made, errors, strict=True)
    ]


def test_spread_margins_and_seeds_come_from_the_pilots() -> None:
    original, better, gated = (50.0, 50.5, 51.0), (46.0, 46.2, 46.7), (70.0, 71.0, 70.2)
    records = [
        *pilot(ORIGINAL, original, 44.0), *pilot(PREACTIVATION, better, 41.0), *pilot(GATED, gated),
        *pilot(PLAIN, (90.0, 90.0, 90.0)),
    ]  # fmt: skip
    (found,) = examine_pilots(records)
    assert found.deviation_of_original == pytest.approx(stdev(original))
    assert found.is_steady
    assert found.deviation == pytest.approx(math.sqrt(fmean(map(variance, (original, better, gated))))), (
        "what learned nothing has no spread to speak of"
    )
    assert found.margins is not None
    assert found.margins.test_error == pytest.approx((fmean(original) - fmean(better)) / 2)
    assert found.margins.train_error == pytest.approx(1.5)
    base, close, far, chance = found.networks
    assert (base.difference, base.power) == (None, None)
    assert close.difference == pytest.approx(fmean(better) - fmean(original))
    assert (base.seeds, close.seeds, far.seeds) == (5, 5, 5)
    assert chance.seeds == 3, "its seeds hardly differ"
    assert far.power is not None
    assert close.power is not None
    assert 0 < close.power < far.power <= 1


def test_a_restless_original_is_said() -> None:
    (found,) = examine_pilots(pilot(ORIGINAL, (50.0, 51.0, 52.0)))
    assert found.is_steady is False
    (single,) = examine_pilots(pilot(ORIGINAL, (50.0,)))
    assert (single.is_steady, single.deviation, single.margins) == (None, None, None)
    assert single.lines()


def test_each_setting_is_examined_alone_and_final_runs_are_no_pilots() -> None:
    first = pilot(ORIGINAL, (50.0, 51.0))
    longer = [replace(record, steps=800) for record in pilot(ORIGINAL, (40.0, 40.1))]
    deviations = [each.deviation_of_original for each in examine_pilots([*first, *longer])]
    assert deviations == [pytest.approx(stdev((50.0, 51.0))), pytest.approx(stdev((40.0, 40.1)))]
    assert examine_pilots(runs(ORIGINAL, 50.0)) == []


def test_without_a_run_that_ended_there_is_no_margin() -> None:
    diverged = [
        replace(record, status="diverged") for record in runs(PREACTIVATION, None, split="validation")
    ]
    records = [*pilot(ORIGINAL, (50.0, 51.0)), *(replace(record, recipe="held out") for record in diverged)]
    (found,) = examine_pilots(records)
    assert found.margins is None
    assert found.networks[1].errors == ()


def test_pilots_decide_no_claim() -> None:
    final = [*runs(ORIGINAL, 50.0), *runs(PLAIN, 80.0)]
    held_out = [replace(record, split="validation") for record in final]
    decided = {
        outcome.claim.id for outcome in judge_claims(final, margins=MARGINS) if outcome.verdict != "undecided"
    }
    assert "identity-beats-plain" in decided
    assert {outcome.verdict for outcome in judge_claims(held_out, margins=MARGINS)} == {"undecided"}
    swapped = [
        replace(record, split="validation", seed=record.seed + 9) for record in runs(PLAIN, 20.0, seeds=5)
    ]
    outcomes = {
        outcome.claim.id: outcome.verdict for outcome in judge_claims([*final, *swapped], margins=MARGINS)
    }
    assert outcomes["identity-beats-plain"] == "held"


@pytest.mark.parametrize(
    ("difference", "seeds", "level"), [(3.0, 3, 0.05), (-9.5, 3, 0.05 / 36), (2.0, 5, 0.01)]
)
def test_power_is_the_share_of_tests_that_show_the_difference(
    difference: float, seeds: int, level: float
) -> None:
    deviation, times = 1.5, 20_000
    random = np.random.default_rng(0)
    one, other = random.normal(0, deviation, (2, times, seeds))
    statistic, p = map(np.asarray, stats.ttest_ind(one + difference, other, axis=1))
    shown = (p < level) & (np.sign(statistic) == np.sign(difference))
    expected = shown.mean()
    assert power(difference, deviation, seeds, level) == pytest.approx(
        expected, abs=4 * math.sqrt(expected * (1 - expected) / times)
    )


def test_one_deviation_for_samples_of_several_sizes() -> None:
    samples = [(1.0, 2.0), (5.0,), (7.0, 9.0, 14.0)]
    squares = [sum((x - fmean(sample)) ** 2 for x in sample) for sample in samples]
    assert pooled_deviation(samples) == pytest.approx(math.sqrt(sum(squares) / 3))
    assert pooled_deviation([(5.0,), (6.0,)]) is None
