"""Which runs decide a claim: of its data, of one setting, each seed once."""

from typing import Any

import pytest

from resunit.reproduction.claims import judge_claims
from resunit.reproduction.paper.networks import network
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import BY_ID, CONV, ORIGINAL, PRE, outcome_of, runs


def contrast(original: float, conv: float, **changes: Any) -> list[ExperimentRecord]:
    return [*runs(ORIGINAL, original, **changes), *runs(CONV, conv, **changes)]


HELD = contrast(60.0, 65.0)


def test_other_data_decide_nothing() -> None:
    found = outcome_of(
        "identity-beats-conv-shortcut", [*HELD, *contrast(95.0, 80.0, data="cifar100", seeds=5)]
    )
    assert found.verdict == "held"
    alone = outcome_of("identity-beats-conv-shortcut", contrast(60.0, 65.0, data="cifar100"))
    assert "no run of resnet110 conv-shortcut" in alone.reason


@pytest.mark.parametrize("seeds", [1, 3])
def test_smoke_never_stands_before_a_real_scale(seeds: int) -> None:
    smoke = contrast(80.0, 60.0, scale="smoke", data="cifar10-sample", seeds=5)
    records = [*smoke, *contrast(60.0, 65.0, seeds=seeds)]
    found = outcome_of("identity-beats-conv-shortcut", records)
    assert found.settings[""].scale == "laptop"
    assert found.verdict == ("held" if seeds == 3 else "undecided")


def test_the_larger_scale_decides_once_it_can() -> None:
    paper = {"scale": "paper", "steps": 64_000}
    few = [*HELD, *contrast(7.0, 6.0, seeds=2, **paper)]
    assert outcome_of("identity-beats-conv-shortcut", few).settings[""].scale == "laptop"
    enough = [*contrast(60.0, 65.0, seeds=5), *contrast(7.0, 6.0, **paper)]
    assert outcome_of("identity-beats-conv-shortcut", enough).settings[""].scale == "paper"


def test_another_recipe_gives_no_more_seeds() -> None:
    """--learning-rate 0.2 changes nothing that a record states, but for the recipe's hash."""
    records = [*contrast(60.0, 65.0, seeds=2), *contrast(60.0, 65.0, recipe="another")]
    found = outcome_of("identity-beats-conv-shortcut", [r for r in records if r.seed < 2])
    assert (found.verdict, found.seeds) == ("undecided", 2)
    found = outcome_of("identity-beats-conv-shortcut", records)
    assert found.settings[""].recipe == "another"
    assert found.runs == "3 seeds, laptop, 400 steps of 64, bf16, recipe another, a machine"


def test_a_seed_counts_once() -> None:
    twice = [*contrast(60.0, 65.0, seeds=2), *contrast(61.0, 66.0, seeds=2)]
    found = outcome_of("identity-beats-conv-shortcut", twice)
    assert (found.verdict, found.seeds, found.reason) == ("undecided", 2, "a verdict needs 3 seeds")


def test_gains_are_compared_across_precisions_and_errors_are_not() -> None:
    """The default of `reproduce table3`: ResNet-1001 trains in fp32, ResNet-164 in bf16."""
    shallow, shallow_pre = network("resnet164"), network("resnet164", "full-preactivation")
    deep, deep_pre = network("resnet1001"), network("resnet1001", "full-preactivation")
    records = [*runs(shallow, 60.0), *runs(shallow_pre, 55.0), *runs(deep, 80.0, precision="fp32", steps=40),
               *runs(deep_pre, 65.0, precision="fp32", steps=40)]  # fmt: skip
    found = outcome_of("gain-grows-resnet164-resnet1001", records)
    assert found.verdict == "held"
    assert found.compared[0].estimate is not None
    assert found.compared[0].estimate.value == pytest.approx(10)
    assert found.runs == (
        "3 seeds, laptop, 40 steps of 64, fp32 (resnet1001) and 400 steps of 64, bf16 (resnet164), a machine"
    )
    mixed = [*runs(shallow, 60.0), *runs(shallow_pre, 55.0, precision="fp32"), *records[6:]]
    assert "no setting in which" in outcome_of("gain-grows-resnet164-resnet1001", mixed).reason
    one_setting = [*records, *runs(deep, 80.0, seeds=3), *runs(deep_pre, 75.0)]
    found = outcome_of("gain-grows-resnet164-resnet1001", one_setting)
    assert found.runs == "3 seeds, laptop, 400 steps of 64, bf16, a machine"
    placement = [*runs(ORIGINAL, 60.0), *runs(PRE, 55.0, precision="fp32")]
    assert "no " in judge_claims(placement, [BY_ID["preactivation-regularises-resnet110"]])[0].reason
