"""How many seeds a row has where nobody says: five at the scale laptop, three where these learned nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from resunit.reproduction.evidence.records import records_path
from resunit.reproduction.plan import Plan, make_plan
from resunit.reproduction.reproduce import plan_as_recorded, read_reproduction, train_missing
from resunit.runs.record_files import append_records
from tests.reproduction.made_up_runs import runs as made_up

GUESSING = 90.0


def plan(out: Path, scale: str, table: str = "table2", only: str = "110-[of]*", **changes: object) -> Plan:
    return make_plan(
        table, scale=scale, seeds=None, only=only, data=None, changes=changes, add=[], out=out, records=None
    )


@pytest.mark.parametrize(("scale", "seeds"), [("smoke", 1), ("laptop", 5), ("eighth", 3), ("paper", 3)])
def test_each_scale_has_its_number_of_seeds(tmp_path: Path, scale: str, seeds: int) -> None:
    planned = plan_as_recorded(plan(tmp_path, scale, steps=7), [])

    assert sorted(run.recipe.seed for run in planned) == sorted([*range(seeds)] * 2)


def test_the_signal_needs_one_seed(tmp_path: Path) -> None:
    assert plan(tmp_path, "laptop", "signal", "*").seeds == 1


@pytest.mark.parametrize(
    ("errors_of_original", "seeds"),
    [
        ((GUESSING, GUESSING, GUESSING), {0, 1, 2}),
        ((GUESSING, GUESSING, 50.0), {0, 1, 2, 3, 4}),
        ((GUESSING, GUESSING), {0, 1, 2, 3, 4}),
    ],
)
def test_a_row_at_chance_in_its_first_three_seeds_has_no_more(
    tmp_path: Path, errors_of_original: tuple[float, ...], seeds: set[int]
) -> None:
    wanted = plan(tmp_path, "laptop", steps=7)
    first = wanted.runs()[0]
    assert first.row.network is not None
    records = made_up(first.row.network, GUESSING, seeds=len(errors_of_original), **first.setting._asdict())
    records = [
        replace(made, test_error=error) for made, error in zip(records, errors_of_original, strict=True)
    ]
    append_records(records_path(tmp_path, "laptop"), records)

    found = {(run.row.id, run.recipe.seed) for run in plan_as_recorded(wanted, wanted.evidence())}

    assert found == {("110-original", seed) for seed in seeds} | {
        ("110-full-preactivation", seed) for seed in range(5)
    }
    left = {(run.row.id, run.recipe.seed) for run in read_reproduction(wanted).missing}
    assert left == found - {("110-original", seed) for seed in range(len(errors_of_original))}


@pytest.mark.full
def test_training_stops_after_three_seeds_that_learned_nothing(tmp_path: Path) -> None:
    """A step of 1e-9 leaves the network as it was, so that it guesses."""
    wanted = plan(tmp_path, "smoke", "claims", "20-original", steps=1, learning_rate=1e-9)

    trained = train_missing(replace(wanted, seeds=5), jobs=1, on="local", address=None, quiet=True)

    assert [experiment.seed for experiment in trained] == [0, 1, 2]
    assert len(wanted.evidence()) == len(trained)
