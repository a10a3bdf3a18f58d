"""Designs later than the paper beside its units: verdicts of their own kind."""

import json
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.reports.paper_comparison import verdicts_in_markdown
from resunit.reproduction.claims import CLAIMS, judge_claims
from resunit.reproduction.claims.later import LaterOutcome, judge_later
from resunit.reproduction.claims.statistics import welch
from resunit.reproduction.comparison import ABOUT_LATER, later_rows
from resunit.reproduction.paper.networks import network
from resunit.runs.record_files import append_records
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import NOISE, ORIGINAL, PRE, runs
from tests.reproduction.welch_by_hand import p_above

REZERO, SKIPINIT = network("resnet110", "rezero"), network("resnet110", "skipinit")
RECORDS = [*runs(ORIGINAL, 60.0), *runs(PRE, 50.0), *runs(REZERO, 55.0), *runs(SKIPINIT, 50.1)]


def outcomes(records: list[ExperimentRecord]) -> dict[tuple[str, str], LaterOutcome]:
    return {(later.design.id, later.reference.id): later for later in judge_later(records)}


def test_a_design_is_better_worse_or_undecided_beside_each_unit() -> None:
    found = outcomes(RECORDS)
    assert {pair: later.verdict for pair, later in found.items()} == {
        ("rezero", "original"): "better",
        ("rezero", "full-preactivation"): "worse",
        ("skipinit", "original"): "better",
        ("skipinit", "full-preactivation"): "undecided",
        ("layer-scale", "original"): "undecided",
        ("layer-scale", "full-preactivation"): "undecided",
        ("stochastic-depth", "original"): "undecided",
        ("stochastic-depth", "full-preactivation"): "undecided",
    }
    missing = found["layer-scale", "original"].outcome.reason
    assert missing.startswith("no run of resnet110 layer-scale")
    assert missing.endswith("`resunit reproduce later --run` trains them")


def test_the_numbers_are_welchs_corrected_over_these_comparisons_alone() -> None:
    """Four of the eight comparisons have runs; the p-values of two are equal but for rounding."""
    errors = {name: [mean + noise for noise in NOISE[:3]] for name, mean in
              {"original": 60.0, "full-preactivation": 50.0, "rezero": 55.0, "skipinit": 50.1}.items()}  # fmt: skip
    raw = {
        (design, reference): 2 * min(p_above(errors[reference], errors[design], 0.0),
                                     p_above(errors[design], errors[reference], 0.0))
        for design in ("rezero", "skipinit") for reference in ("original", "full-preactivation")
    }  # fmt: skip
    found = outcomes(RECORDS)
    assert found["skipinit", "original"].to_json()["p"] == pytest.approx(
        4 * raw["skipinit", "original"], rel=1e-6
    )
    assert found["skipinit", "full-preactivation"].to_json()["p"] == pytest.approx(
        raw["skipinit", "full-preactivation"], rel=1e-6
    )
    estimate = welch([1, -1], [errors["original"], errors["skipinit"]])
    assert estimate is not None
    as_json = found["skipinit", "original"].to_json()
    assert as_json["value"] == pytest.approx(9.9), "what the later design gains"
    assert as_json["interval"] == pytest.approx([estimate.low, estimate.high])


def test_they_are_no_claims() -> None:
    alone = [*runs(ORIGINAL, 60.0), *runs(PRE, 50.0)]
    assert not {later.outcome.claim.id for later in judge_later(RECORDS)} & {claim.id for claim in CLAIMS}
    assert [outcome.to_json() for outcome in judge_claims(RECORDS)] == [
        outcome.to_json() for outcome in judge_claims(alone)
    ]


def test_the_command_and_the_reports_show_the_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    append_records(tmp_path / "records.jsonl", RECORDS)
    shown = ["reproduce", "later", "--records", str(tmp_path / "records.jsonl")]
    assert main([*shown, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["later"] == json.loads(json.dumps([later.to_json() for later in judge_later(RECORDS)]))
    assert all(claim["id"] in {claim.id for claim in CLAIMS} for claim in document["claims"])
    assert main([*shown, "--only", "[ofr]*", "--json"]) == 0
    some = json.loads(capsys.readouterr().out)["later"]
    assert [(later["design"], later["reference"]) for later in some] == [
        ("rezero", "original"), ("rezero", "full-preactivation"),
    ]  # fmt: skip
    assert main(["reproduce", "table2", *shown[2:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["later"] == []
    assert main(shown) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Designs after the paper" in text
    assert "no claims of the paper" in text
    assert main(["report", str(tmp_path / "records.jsonl"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    markdown = verdicts_in_markdown(
        "Designs after the paper", ABOUT_LATER, "designs", later_rows(judge_later(RECORDS))
    )
    for report in (page, markdown):
        assert "ReZero beside original (a)" in report
        assert "no claims of the paper" in report
    assert '<td class="verdict better">better</td>' in page
    assert "LayerScale, 1e-5 beside" not in page, "none of its runs is recorded"
    assert "Later designs, ResNet-110 on CIFAR-10" in page


def test_a_report_without_later_designs_says_nothing_of_them(tmp_path: Path) -> None:
    append_records(tmp_path / "records.jsonl", RECORDS[:6])
    assert main(["report", str(tmp_path / "records.jsonl"), "--out", str(tmp_path / "page.html")]) == 0
    assert "ater designs, ResNet-110" not in (tmp_path / "page.html").read_text()
    assert "Designs after the paper" not in (tmp_path / "page.html").read_text()
