"""What differs between runs, and which of them are a sweep."""

from dataclasses import replace

import pytest

from resunit.errors import UsageError
from resunit.reports.compared_run import find_differing_fields, find_swept_field, with_all_options
from tests.reports.compared_runs import compared

SWEEP = [
    compared(f"{rate} {seed}", 10.0 + rate, learning_rate=rate, seed=seed)
    for rate in (0.01, 0.1)
    for seed in (0, 1)
]


def test_the_fields_that_differ_are_those_with_several_values() -> None:
    assert find_differing_fields(SWEEP) == ["learning_rate", "seed"]
    assert find_differing_fields(SWEEP[:1]) == []


def test_a_field_that_a_record_does_not_hold_does_not_differ() -> None:
    bare = replace(SWEEP[0], fields={"seed": 0})
    assert find_differing_fields([bare, SWEEP[0]]) == []
    assert find_differing_fields([bare, *SWEEP[1:]]) == ["seed", "learning_rate"]


def test_an_option_that_is_absent_has_its_default() -> None:
    runs = with_all_options([compared("a", 8.0, {"gate_bias": -3.0}), compared("b", 9.0)])
    assert [run.value("gate_bias") for run in runs] == [-3.0, "default"]
    assert find_differing_fields(runs) == ["gate_bias"]


def test_runs_that_differ_in_one_number_and_seeds_are_a_sweep() -> None:
    assert find_swept_field(SWEEP) == "learning_rate"


def test_fields_without_effect_on_numbers_do_not_spoil_a_sweep() -> None:
    assert find_swept_field(
        [replace(SWEEP[0], fields={**SWEEP[0].fields, "name": "mine", "tta": True}), *SWEEP[1:]]
    )


@pytest.mark.parametrize(
    "runs",
    [
        [compared("a", 8.0, seed=0), compared("b", 8.0, seed=1)],
        [compared("a", 8.0, nesterov=True), compared("b", 8.0, nesterov=False)],
        [compared("a", 8.0, flip="random"), compared("b", 8.0, flip="none")],
        [compared("a", 8.0, momentum=0.9, padding=2), compared("b", 8.0, momentum=0.8, padding=4)],
        [compared("a", 8.0, warmup=0.1), replace(compared("b", 8.0, warmup=0.2), model="resnet56")],
        [compared("a", 8.0)],
    ],
    ids=["seeds", "switch", "choice", "two numbers", "another network too", "one run"],
)
def test_other_runs_are_no_sweep(runs: list) -> None:
    assert find_swept_field(runs) is None


@pytest.mark.parametrize("named", ["padding", "--padding", "model"])
def test_the_user_may_name_the_field(named: str) -> None:
    runs = [compared("a", 8.0, padding=2, seed=0), replace(compared("b", 8.0, padding=4), model="resnet56")]
    assert find_swept_field(runs, named) == named.removeprefix("--")
    assert (
        find_swept_field([compared("a", 8.0, learning_rate=0.2), *SWEEP], "learning-rate") == "learning_rate"
    )


@pytest.mark.parametrize(("named", "said"), [("learning-rat", "learning_rate"), ("milestones", "milestones")])
def test_a_field_that_is_unknown_or_does_not_differ_is_refused(named: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_swept_field(SWEEP, named)
