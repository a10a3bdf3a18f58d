"""Recorded tables are shown on any machine, whatever precision it would train them in."""

from pathlib import Path
from typing import Any

import pytest

from resunit.reproduction.evidence.records import read_records
from resunit.reproduction.plan import Plan, make_plan
from resunit.reproduction.reproduce import read_reproduction, train_missing
from resunit.runs.record_files import append_records
from tests.reproduction.made_up_runs import ORIGINAL, runs

SCALE = "eighth"  # Each machine chooses the precision of its runs.


def plan(records: Path | None, out: Path = Path("results"), **changes: Any) -> Plan:
    return make_plan(
        "table1", scale=SCALE, seeds=1, only="original", data=None, changes=changes, add=[], out=out, records=records,
    )  # fmt: skip


@pytest.fixture(params=["bf16", "fp32"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file with the run of one row, made in this precision."""
    setting = plan(None).runs()[0].setting._replace(precision=request.param)
    append_records(tmp_path / "records.jsonl", runs(ORIGINAL, 7.0, seeds=1, **setting._asdict()))
    return tmp_path / "records.jsonl"


@pytest.fixture(params=[True, False], ids=["with bf16", "without bf16"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is fast at bf16, or is not."""
    monkeypatch.setattr("resunit.training.precision.supports_bf16", lambda _device: request.param)


@pytest.mark.usefixtures("machine")
def test_a_recorded_run_is_shown_and_not_missing_on_any_machine(recorded: Path) -> None:
    found = read_reproduction(plan(recorded))
    assert len(found.records) == 1
    assert found.missing == ()


@pytest.mark.usefixtures("machine")
def test_nothing_is_trained_that_is_recorded(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that would train in the other precision reads no data and begins nothing."""
    in_results = tmp_path / "results"
    in_results.mkdir()
    (in_results / f"reproduce-{SCALE}.jsonl").write_bytes(recorded.read_bytes())
    monkeypatch.setattr(
        "resunit.reproduction.reproduce.plan_experiments", lambda *_rows, **_how: pytest.fail("trains")
    )
    wanted = plan(None, in_results)
    (record,) = read_reproduction(wanted).records
    if record.precision == wanted.runs()[0].recipe.precision:
        return  # Then the runner finds the run by its identity, which tests/reproduction/test_runner.py shows.
    assert train_missing(wanted, jobs=1, on="local", address=None, quiet=True) == []


def test_a_precision_that_is_asked_for_counts(recorded: Path) -> None:
    (record,) = read_records(recorded)
    other = {"bf16": "fp32", "fp32": "bf16"}[record.precision]
    assert read_reproduction(plan(recorded, precision=record.precision)).missing == ()
    assert [run.recipe.precision for run in read_reproduction(plan(recorded, precision=other)).missing] == [
        other
    ]


def test_what_is_recorded_nowhere_is_missing_in_the_machines_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "records.jsonl").touch()
    for has_bf16, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("resunit.training.precision.supports_bf16", lambda _device, found=has_bf16: found)
        missing = read_reproduction(plan(tmp_path / "records.jsonl")).missing
        assert [run.recipe.precision for run in missing] == [precision]
