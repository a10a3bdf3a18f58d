"""Records of a scale that is no more: files outlive code."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.errors import UsageError
from resunit.reproduction.claims import judge_claims
from resunit.reproduction.evidence.records import read_records
from resunit.reproduction.experiments.scales import SCALES
from resunit.reproduction.experiments.setting import setting_of
from resunit.reproduction.plan import make_plan
from resunit.reproduction.reproduce import read_reproduction
from resunit.runs.record_files import append_records
from tests.reproduction.made_up_runs import BY_ID
from tests.reproduction.real_records import MINI


def test_they_are_read_and_described_as_they_were() -> None:
    records = read_records(MINI)
    assert {record.scale for record in records} == {"mini"}
    assert "mini" not in SCALES
    assert {setting_of(record).description for record in records} == {
        "400 steps of 64, bf16",
        "60 steps of 64, fp32",
    }, "no hash, because the recipe is the scale's own"


def test_they_still_decide_where_there_are_no_others() -> None:
    claim = BY_ID["full-preactivation-is-better-resnet110-1layer"]
    (outcome,) = judge_claims(read_records(MINI), [claim])
    assert outcome.verdict == "held"
    assert outcome.runs.startswith("3 seeds, mini, 400 steps of 64, bf16")


def test_their_table_and_their_report_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table1", "--records", str(MINI), "--out", str(tmp_path), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["caption"].startswith("Scale mini: 400 steps of 64, bf16, seeds 0, 1, 2, on AMD EPYC.")
    assert len(table["records"]) == 33
    assert main(["report", str(MINI), "--out", str(tmp_path / "page.html")]) == 0
    assert "Scale mini: 400 steps of 64, bf16" in (tmp_path / "page.html").read_text()


def test_they_are_pooled_with_no_other_scale(tmp_path: Path) -> None:
    def plan(file: Path) -> list[str]:
        asked = make_plan(
            "table1", scale="laptop", seeds=1, only="original", data=None, changes={}, add=[], out=tmp_path,
            records=None, pool=[file],
        )  # fmt: skip
        return [record.identity for record in read_reproduction(asked).records]

    with pytest.raises(UsageError, match=r"mini\.jsonl: .*scale laptop .*mini"):
        plan(MINI)
    # A file may hold both.
    first = read_records(MINI)[0]
    append_records(tmp_path / "both.jsonl", [first, replace(first, identity="other", seed=7)])
    with pytest.raises(UsageError, match=r"both\.jsonl: .*scale laptop .*mini"):
        plan(tmp_path / "both.jsonl")
