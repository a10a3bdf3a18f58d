"""The plan of a table: what is recorded, begun and missing, and the hours that add up."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resunit.cli.app import app
from resunit.errors import RunError, UsageError
from resunit.reproduction import remaining_work as module
from resunit.reproduction.evidence.records import records_path
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.plan import Plan, make_plan
from resunit.reproduction.remaining_work import RemainingWork, RunAhead, list_remaining_work
from resunit.reproduction.running.run_times import seconds_of_runs
from resunit.runs.record_files import append_records
from resunit.runs.schema import LogLine
from resunit.training.recipe import Recipe, with_changes
from tests.cli.command_lines import refused
from tests.reproduction.made_up_runs import runs as made_up

SECONDS = {"original": 100.0, "full-preactivation": 50.0}


def plan(out: Path, table: str = "table2", only: str = "110-*", **changes: object) -> Plan:
    return make_plan(
        table, scale="laptop", seeds=2, only=only, data=None, changes=changes, add=[], out=out, records=None
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The recipes that were measured, each with a known time in the place of this machine's."""
    asked: list[Recipe] = []

    def known(recipes: list[Recipe], _threads: int, _jobs: int) -> list[float]:
        asked.extend(recipes)
        return [SECONDS.get(recipe.design or "", 10.0) for recipe in recipes]

    monkeypatch.setattr(module, "seconds_of_runs", known)
    return asked


def test_recorded_begun_and_missing_runs_are_told_apart_and_their_time_adds_up(
    tmp_path: Path, measured: list[Recipe]
) -> None:
    wanted = plan(tmp_path)
    first, *_ = wanted.runs()
    assert first.row.id == "110-original"
    assert first.row.network is not None
    (record,) = made_up(first.row.network, 50.0, seeds=1, **first.setting._asdict())
    append_records(records_path(tmp_path, "laptop"), [record])
    other_table = next(run for run in wanted.runs() if run.row.id == "110-full-preactivation")
    begun = Experiment("figure6", "of another table", "laptop", other_table.recipe.to_json(), "an identity")
    begun.store(begun.folder(tmp_path))
    (begun.folder(tmp_path) / "run").mkdir()
    line = LogLine(1000, 0.6, 1.0, 50.0, "test", 1.0, 50.0, images=500)
    append_records(begun.folder(tmp_path) / "run" / "log.jsonl", [line])
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "experiment.json").write_text("no JSON")

    ahead = list_remaining_work(wanted, jobs=2)

    states = {(run.row, run.seed): (run.state, run.steps_done, run.seconds) for run in ahead.runs}
    assert len(states) == 10
    assert states["110-original", 0] == ("recorded", 4000, 0.0)
    assert states["110-full-preactivation", 0] == ("begun", 1000, 50 * 3 / 4)
    assert states["110-original", 1] == ("missing", 0, 100.0)
    assert [ahead.count(state) for state in ("recorded", "begun", "missing")] == [1, 1, 8]
    assert ahead.seconds == (100 + 50 * 3 / 4 + 50 + 6 * 10) / 2
    assert len(measured) == 9, "nothing is measured that is recorded"
    assert ahead.to_json()["hours"] == pytest.approx(ahead.seconds / 3600)


def test_the_longest_run_is_the_least_time() -> None:
    runs = tuple(RunAhead("a", seed, "missing", 10, 0, seconds) for seed, seconds in enumerate((9.0, 1.0)))
    ahead = RemainingWork("table1", "Table 1", "laptop", runs, jobs=2)
    assert ahead.seconds == 9.0
    assert replace(ahead, jobs=1).seconds == 10.0


def test_the_plan_has_one_document_on_the_command_line(
    tmp_path: Path, measured: list[Recipe], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reproduce", "table2", "--only", "110-*", "--scale", "laptop", "--seeds", "1", "--plan"]
    with pytest.raises(SystemExit) as end:
        app([*arguments, "--jobs", "3", "--out", str(tmp_path / "out"), "--json"])
    assert not end.value.code
    document = json.loads(capsys.readouterr().out)
    assert (document["table"], document["scale"], document["jobs"]) == ("table2", "laptop", 3)
    assert document["missing"] == len(document["runs"]) == len(measured) == 5
    assert list(tmp_path.iterdir()) == [], "nothing is written"


@pytest.mark.usefixtures("measured")
def test_a_plan_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--run" in refused(capsys, 2, "reproduce", "table1", "--plan", "--run", "--out", str(tmp_path))
    assert "--data" in refused(capsys, 2, "reproduce", "table5", "--plan", "--out", str(tmp_path))
    with pytest.raises(UsageError, match="--jobs"):
        list_remaining_work(plan(tmp_path), jobs=0)


@pytest.mark.full
def test_each_network_is_measured_in_a_process_like_that_of_a_run_and_needs_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds take the same time, twice the steps take twice the time, and what cannot be measured is named."""
    monkeypatch.setenv("RESUNIT_DATA", str(tmp_path / "no data"))
    recipe = plan(tmp_path, "claims", "20-original").runs()[0].recipe
    other_seed = with_changes(recipe, {"seed": 1})
    first, second = seconds_of_runs([recipe, other_seed], 1, 2)  # two processes at a time
    assert first == second > 0
    assert not list(tmp_path.iterdir())
    broken = with_changes(recipe, {"image_size": 12})
    with pytest.raises(RunError, match=r"resnet20 original.*image_size"):
        seconds_of_runs([broken], 1, 2)
    assert seconds_of_runs([], 1, 1) == []
