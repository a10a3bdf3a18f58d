"""Somebody else's records beside one's own: only of the same setting, and each run once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resunit.errors import FileFormatError, UsageError
from resunit.reproduction.evidence.pool import RecordsLeftOut
from resunit.reproduction.evidence.records import records_path
from resunit.reproduction.experiments.experiment import plan_runs
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.tables import TABLES
from resunit.reproduction.plan import Plan, make_plan
from resunit.reproduction.reproduce import read_reproduction, train_missing
from resunit.runs.record_files import append_records
from resunit.runs.schema import ExperimentRecord
from tests.cli.command_lines import refused
from tests.reproduction.made_up_runs import runs

ORIGINAL = network("resnet110", "original")


def records_of_scale(scale: str = "laptop", seeds: int = 3, **changes: Any) -> list[ExperimentRecord]:
    """Return records of the original ResNet-110 as runs of the scale leave them."""
    table = replace(TABLES["table1"], rows=TABLES["table1"].rows[:1])
    planned = list(plan_runs(table, scale=scale, seeds=1, data=None, changes={}))
    fields: dict[str, Any] = planned[0].setting._asdict() | {"machine": "theirs"} | changes
    return runs(ORIGINAL, 50.0, seeds=seeds, **fields)


def stored(path: Path, records: Sequence[ExperimentRecord]) -> Path:
    append_records(path, records)
    return path


def plan(out: Path, *pool: Path, scale: str = "laptop", seeds: int = 3, **changes: Any) -> Plan:
    return make_plan(
        "table1", scale=scale, seeds=seeds, only="original", data=None, changes=changes, add=[], out=out,
        records=None, pool=pool,
    )  # fmt: skip


def test_their_seeds_stand_beside_ours_and_of_one_run_ours_counts(tmp_path: Path) -> None:
    ours, theirs = records_of_scale(seeds=2, machine="ours"), records_of_scale(seeds=5)
    stored(records_path(tmp_path, "laptop"), ours)
    found = read_reproduction(plan(tmp_path, stored(tmp_path / "theirs.jsonl", theirs), seeds=5))
    assert [(record.seed, record.machine) for record in found.records] == [
        (0, "ours"), (1, "ours"), (2, "theirs"), (3, "theirs"), (4, "theirs"),
    ]  # fmt: skip
    assert found.missing == ()
    assert "ours, theirs" in found.comparison.caption


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"precision": "bf16"}, "precision"),
        ({"steps": 399}, "steps"),
        ({"batch_size": 31}, "batch_size"),
        ({"scale": "mini"}, "scale"),
        ({"recipe": "of another"}, "recipe"),
    ],
)
def test_records_of_another_setting_are_never_pooled(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    other = [replace(record, identity=f"other {record.seed}", **change) for record in records_of_scale()]
    with pytest.raises(UsageError, match=rf"other\.jsonl.*{field}"):
        read_reproduction(plan(tmp_path, stored(tmp_path / "other.jsonl", other)))
    both = stored(tmp_path / "both.jsonl", [*records_of_scale(seeds=1), *other])
    with pytest.warns(RecordsLeftOut, match=rf"both\.jsonl.*{field}"):
        (record,) = read_reproduction(plan(tmp_path, both)).records
    assert record.machine == "theirs"
    assert record.identity == records_of_scale(seeds=1)[0].identity


def test_where_each_machine_chooses_its_precision_records_of_any_are_pooled(tmp_path: Path) -> None:
    for precision in ("bf16", "fp32"):
        records = records_of_scale("eighth", precision=precision)
        file = stored(tmp_path / f"{precision}.jsonl", records)
        out = tmp_path / f"nothing shipped {precision}"
        assert {record.identity for record in records} <= {
            record.identity for record in plan(out, file, scale="eighth").evidence()
        }


def test_failed_runs_of_others_are_not_ours_to_show(tmp_path: Path) -> None:
    first, *others = records_of_scale()
    failed = replace(first, status="failed", error="killed by signal 9", test_error=None)
    found = read_reproduction(plan(tmp_path, stored(tmp_path / "theirs.jsonl", [failed, *others])))
    assert [record.seed for record in found.records] == [1, 2]
    assert [run.recipe.seed for run in found.missing] == [0]


@pytest.mark.parametrize("text", [None, "no JSON\n", ""])
def test_a_file_without_records_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "theirs.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises((FileFormatError, UsageError), match=r"theirs\.jsonl"):
        read_reproduction(plan(tmp_path, file))


@pytest.mark.full
def test_what_others_have_run_is_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their record of a run that this machine would train counts as the run itself."""
    of_smoke = make_plan(
        "claims", scale="smoke", seeds=1, only="20-original", data=None, changes={}, add=[], out=tmp_path / "theirs",
        records=None,
    )  # fmt: skip
    train_missing(of_smoke, jobs=1, on="local", address=None, quiet=True)
    theirs = records_path(tmp_path / "theirs", "smoke")
    here = replace(of_smoke, out=tmp_path / "ours", pool=(theirs,))
    trained = train_missing(here, jobs=1, on="local", address=None, quiet=False)
    assert "0 of 1 runs to do" in capsys.readouterr().err
    assert [json.loads(line)["identity"] for line in theirs.read_text().splitlines()] == [
        record.identity for record in read_reproduction(here, trained).records
    ]
    assert not list((tmp_path / "ours").glob("runs/*"))


def test_the_command_line_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "absent.jsonl"
    assert str(file) in refused(capsys, 1, "reproduce", "table1", "--pool", str(file), "--out", str(tmp_path))
