"""Tables, pictures and pages from records."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from resunit.cli import main
from resunit.reports.curves import Curve, Plot, draw_curves
from resunit.reports.paper_comparison import comparison_for_terminal
from resunit.reproduction.claims import CLAIMS, judge_claims
from resunit.reproduction.claims.margins import MARGINS, Margins, describe_margins
from resunit.reproduction.comparison import make_comparison, tally
from resunit.reproduction.experiments.setting import recipe_of_scale
from resunit.reproduction.figures.training_curves import make_curves
from resunit.reproduction.paper.networks import NetworkChoice, network
from resunit.reproduction.paper.tables import TABLES
from resunit.runs.record_files import append_records
from resunit.runs.schema import CurvePoint, ExperimentRecord
from tests.reproduction.made_up_runs import BY_ID, PLAIN, runs

ORIGINAL, CONV = network("resnet110"), network("resnet110", "conv-shortcut")
CURVE = tuple(
    CurvePoint(step, train_error=90.0 - step, test_error=91.0 - step, test_images=250) for step in (20, 40)
)


def recorded(*groups: list[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return `runs` of made_up_runs with a curve and costs."""
    return [
        replace(
            record,
            identity=f"{record.identity} {record.steps}",
            curve=CURVE,
            train_flops=10**14,
            images_per_second=100.0,
            wall_seconds=180.0,
        )
        for group in groups
        for record in group
    ]


def changed(records: list[ExperimentRecord], **changes: Any) -> list[ExperimentRecord]:
    return [replace(record, **changes) for record in records]


def rows_of(name: str, records: list[ExperimentRecord]) -> dict[str, tuple[str, str, str, str]]:
    table = make_comparison(TABLES[name], records)
    return {row.label: (row.here, row.seeds, row.paper, row.remark) for row in table.rows}


def test_rows_show_median_range_seeds_and_the_papers_number() -> None:
    records = recorded(runs(ORIGINAL, 70.0), runs(network("resnet110", "dropout-shortcut"), 90.0))
    rows = rows_of("table1", records)
    assert rows["original"] == ("70.0 (69.7 to 70.3)", "3", "6.61", "")
    assert rows["dropout 0.5"][0] == "90.0 (89.7 to 90.3), at chance after 400 steps"
    assert rows["1x1 convolution"] == ("not run", "", "12.22", "")
    assert rows["scaling: shortcut 0, branch 1"][2] == "fail"


def test_the_training_error_has_a_column_of_its_own() -> None:
    records = recorded(runs(ORIGINAL, 70.0, train_error=64.0), runs(CONV, 80.0, seeds=1, train_error=75.0))
    older = changed(recorded(runs(PLAIN, 90.0)), train_error=None)
    columns = {row.label: row.training for row in make_comparison(TABLES["table1"], [*records, *older]).rows}
    assert columns["original"] == "64.0 (63.7 to 64.3)"
    assert columns["1x1 convolution"] == "74.7"
    assert columns["scaling: shortcut 0, branch 1"] == columns["dropout 0.5"] == ""
    console = Console(width=80, record=True, file=StringIO())
    console.print(comparison_for_terminal(make_comparison(TABLES["table1"], records)))
    lines = console.export_text().splitlines()
    assert any(line.startswith("original") and "64.0" in line for line in lines), "the median alone"
    assert not any("63.7" in line for line in lines)


def test_some_seeds_at_chance_are_counted() -> None:
    records = recorded(runs(CONV, 88.1))
    assert rows_of("table1", records)["1x1 convolution"][0] == (
        "88.1 (87.8 to 88.4), at chance in 2 of 3 after 400 steps"
    )


def test_a_smoke_run_stands_in_for_cifar_10_alone() -> None:
    smoke = {"scale": "smoke", "data": "cifar10-sample", "recipe": recipe_of_scale("smoke")}
    rows = rows_of("table3", recorded(runs(network("resnet164"), 80.0, **smoke)))
    assert rows["ResNet-164, original"][0].startswith("80.0")
    assert rows["ResNet-164, original (cifar100)"][0] == "not run"


def test_a_figure_of_some_rows_has_the_panels_that_they_are_in() -> None:
    table = TABLES["figure3"]
    some = replace(table, rows=table.rows[:2])
    halves = network("resnet110", "constant-scaling", shortcut_scale=0.5, branch_scale=0.5)
    plot = make_curves(some, recorded(runs(ORIGINAL, 70.0), runs(halves, 80.0)))
    assert plot is not None
    assert [*plot.panels] == ["(a) scaling 0.5, 0.5"]
    assert make_curves(table, recorded(runs(ORIGINAL, 70.0))) is None, "it compares nothing"


@pytest.mark.parametrize(
    ("classes", "shown"), [(6, "83.7, at chance after 400 steps"), (10, "83.7"), (None, "83.7")]
)
def test_chance_is_what_guessing_among_the_classes_gives(classes: int | None, shown: str) -> None:
    records = recorded(
        runs(
            network("resnet152"), 84.0, seeds=1, crop="scale", data="photos", classes=classes,
            test_error_large_crop=84.0,
        )
    )  # fmt: skip
    assert rows_of("table5", records)["ResNet-152, original, scale, crop 224"][0] == shown


def test_a_network_is_the_same_in_every_table() -> None:
    records = recorded(runs(ORIGINAL, 70.0))
    assert rows_of("table2", records)["ResNet-110, original (a)"][0] == "70.0 (69.7 to 70.3)"
    assert rows_of("table4", records)["ResNet-110"][0] == "70.0 (69.7 to 70.3)"
    assert rows_of("table4", records)["Highway (cifar10)"] == (
        "not run",
        "",
        "7.72",
        "another paper's method",
    )


def test_diverged_and_failed_runs_are_told() -> None:
    mixed = recorded(runs(ORIGINAL, 70.0)[:2], runs(ORIGINAL, None)[2:])
    assert rows_of("table1", mixed)["original"][:2] == ("69.8 (69.7 to 70.0), 1 of 3 diverged", "2")
    assert rows_of("table1", recorded(runs(ORIGINAL, None)))["original"][0] == "3 of 3 diverged"


def test_runs_of_other_lengths_are_not_mixed_and_are_told_apart() -> None:
    deep = network("resnet1001")
    records = recorded(runs(ORIGINAL, 70.0), runs(ORIGINAL, 50.0, steps=800), runs(ORIGINAL, 71.0, steps=800),
                       runs(deep, 89.0, steps=20, precision="fp32"))  # fmt: skip
    rows = rows_of("table3", records[:3] + records[9:])
    assert rows["ResNet-110, original"][0] == "70.0 (69.7 to 70.3)"
    assert rows["ResNet-1001, original"][3] == "20 steps of 64, fp32"


def test_captions_say_what_numbers_are_of() -> None:
    caption = make_comparison(TABLES["table1"], recorded(runs(ORIGINAL, 70.0))).caption
    assert "Scale laptop: 400 steps of 64, bf16, seeds 0, 1, 2, on a machine." in caption
    assert "only the order counts" in caption
    assert "only the order counts" not in make_comparison(
        TABLES["table1"], recorded(runs(ORIGINAL, 7.0, scale="paper", steps=64_000))
    ).caption  # fmt: skip


def test_one_run_fills_the_rows_of_both_test_crops() -> None:
    records = recorded(
        runs(
            network("resnet152"), 23.0, seeds=1, crop="scale", data="photos", test_top5_error=6.5,
            test_error_large_crop=21.0, test_top5_error_large_crop=5.4,
        )
    )  # fmt: skip
    rows = rows_of("table5", records)
    assert rows["ResNet-152, original, scale, crop 224"][0::2] == ("22.7 / 6.5", "23.0 / 6.7")
    assert rows["ResNet-152, original, scale, crop 320"][0::2] == ("21.0 / 5.4", "21.3 / 5.5")
    aspect = recorded(runs(network("resnet152"), 1.0, crop="scale-aspect"))
    assert rows_of("table5", aspect)["ResNet-152, original, scale, crop 224"][0] == "not run"
    assert rows["Inception v3, scale and aspect ratio, crop 299"][0::2] == ("not run", "21.2 / 5.6")


def test_panels_hold_the_curves_of_all_seeds() -> None:
    conv = network("resnet110", "conv-shortcut")
    plot = make_curves(TABLES["figure3"], recorded(runs(ORIGINAL, 70.0), runs(conv, 80.0)))
    assert plot is not None
    curves = plot.panels["(d) 1x1 convolution"]
    assert [(curve.label, len(curve.runs)) for curve in curves] == [("original", 3), ("1x1 convolution", 3)]
    assert curves[0].along("test_error") == [(20, 71.0, 71.0, 71.0), (40, 51.0, 51.0, 51.0)]


def test_a_captions_seeds_are_those_of_the_panel_and_the_curve() -> None:
    bn, deep = network("resnet110", "bn-after-addition"), network("resnet164")
    curve = (*CURVE, CurvePoint(400, test_error=50.0, test_images=10_000))
    records = recorded(runs(ORIGINAL, 70.0), runs(bn, 80.0, seeds=1), runs(deep, 80.0, seeds=2))
    records = changed(records, curve=curve)
    plot = make_curves(TABLES["figure6"], records)
    assert plot is not None
    left = "seeds 0, 1, 2 (ResNet-110, original (a)), seed 0 (ResNet-110, BN after addition (b))"
    scale = "Scale laptop: 400 steps of 64, bf16"
    on_the_way = "Test errors before the last step are of the first 250 test images."
    drawn = "Dashed: training error; solid: test error"
    assert plot.caption.startswith(
        f"BN after addition, ResNet-110: {scale}, {left}, on a machine. {on_the_way} "
        f"pre-activation, ResNet-164: {scale}, seeds 0, 1, on a machine. {on_the_way} {drawn}"
    )
    same = make_curves(TABLES["figure6"], records[:3])
    assert same is not None
    assert same.caption.startswith(f"{scale}, seeds 0, 1, 2, on a machine. {on_the_way} {drawn}")


def test_half_of_the_batch_is_a_row_of_its_own() -> None:
    deep = network("resnet1001", "full-preactivation")
    whole, half = (
        recorded(runs(deep, 50.0, scale="paper")),
        recorded(runs(deep, 40.0, scale="paper", seeds=1)),
    )
    half = changed(half, row="1001-preactivation-half", batch_size=32, recipe="fb")
    rows = rows_of("table4", [*whole, *half])
    assert rows["ResNet-1001, pre-activation"][0] == "50.0 (49.7 to 50.3)"
    assert rows["ResNet-1001, pre-activation, half the batch"][0] == "39.7"
    assert "400 steps of 32, bf16, recipe fb" in rows["ResNet-1001, pre-activation, half the batch"][3]
    for some, absent in (
        (whole, "ResNet-1001, pre-activation, half the batch"),
        (half, "ResNet-1001, pre-activation"),
    ):
        assert rows_of("table4", some)[absent][0] == "not run"


def test_other_recipes_are_not_pooled_and_smoke_stands_behind() -> None:
    other = recorded(runs(ORIGINAL, 50.0, recipe="another", seeds=2))
    rows = rows_of("table1", [*recorded(runs(ORIGINAL, 70.0)), *other])
    assert rows["original"][:2] == ("70.0 (69.7 to 70.3)", "3")
    smoke = recorded(runs(ORIGINAL, 90.0, scale="smoke", data="cifar10-sample", seeds=5))
    rows = rows_of("table1", [*smoke, *recorded(runs(CONV, 80.0)), *other])
    assert rows["original"] == ("49.9 (49.7 to 50.0)", "2", "6.61", "400 steps of 64, bf16, recipe another")


def test_errors_of_validation_images_are_told() -> None:
    records = recorded(runs(ORIGINAL, 70.0, split="validation"))
    assert "of validation images, not of a test set" in make_comparison(TABLES["table1"], records).caption


def test_undecided_is_explained_where_something_is_missing() -> None:
    claims = [BY_ID[f"identity-beats-{row}"] for row in ("conv-shortcut", "plain")]
    records = [*runs(ORIGINAL, 60.0), *runs(CONV, 60.1), *runs(PLAIN, 60.1, seeds=2)]
    assert tally(judge_claims(records, claims)) == (
        "2 claims: 0 held, 0 not held, 2 undecided at this scale (1 because a network has fewer than 3 seeds)."
    )
    similar = [BY_ID["shortcut-only-gating-6-is-similar"]]
    gate = network("resnet110", "shortcut-only-gating", gate_bias=-6.0)
    assert tally(judge_claims([*runs(ORIGINAL, 60.0), *runs(gate, 60.0)], similar, margins={})) == (
        "1 claim: 0 held, 0 not held, 1 undecided at this scale (1 because the scale has no margin of similarity)."
    )
    in_full = changed(records[:6], scale="paper", steps=64_000)
    assert (
        tally(judge_claims(in_full, claims[:1])) == "1 claim: 0 held, 0 not held, 1 undecided at this scale."
    )


def test_what_needs_the_end_counts_at_full_length_alone() -> None:
    claim = BY_ID["preactivation-regularises-resnet110"]
    records = [*runs(ORIGINAL, 60.0, 1.0), *runs(network("resnet110", "full-preactivation"), 50.0, 1.3)]
    assert tally(judge_claims(records, [claim])) == (
        "0 claims: 0 held, 0 not held, 0 undecided at this scale. 1 more needs training to the end, and counts "
        "only there."
    )
    in_full = changed(records, scale="paper", steps=64_000)
    assert tally(judge_claims(in_full, [claim])) == "1 claim: 1 held, 0 not held, 0 undecided at this scale."


def test_margins_are_told_by_scale() -> None:
    assert describe_margins({"a": Margins(1.5, 2.0), "b": Margins(0.25, 0.5)}) == (
        "The margins are: a 1.5 points of test error and 2 of training error; "
        "b 0.25 points of test error and 0.5 of training error."
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    records = recorded(runs(ORIGINAL, 70.0), runs(network("resnet110", "conv-shortcut"), 80.0))
    path = tmp_path / "reproduce-laptop.jsonl"
    append_records(path, records)
    return path


def test_a_page_of_records(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["report", str(results), "--out", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    text = page.read_text()
    assert "70.0 (69.7 to 70.3)" in text
    assert re.search(r'class="verdict held">held', text)
    assert "6 runs, 0.3 hours of training" in text
    assert "Figure 3: training curves" in text
    caption = "Scale laptop: 400 steps of 64, bf16, seeds 0, 1, 2, on a machine."
    assert f"{caption} Dashed: training error; solid: test error; " in text
    assert "dashed lines are the training loss" in text, "in the paper"
    counted = sum(not claim.needs_the_end for claim in CLAIMS)
    assert f"{counted} claims: 1 held, 0 not held, {counted - 1} undecided at this scale (" in text
    assert f"{len(CLAIMS) - counted} more need training to the end, and count only there." in text
    assert "resnet110 original, laptop, 400 steps of 64, bf16" in text, "of spread and cost"
    assert text.count('<svg xmlns="http://www.w3.org/2000/svg" class="unit-picture"') == 11, (
        "the paper's designs"
    )


def test_a_row_of_your_own_stands_in_its_table(tmp_path: Path) -> None:
    own = NetworkChoice("resnet110", "my_units:Squeeze", {"reduction": 4})
    records = recorded(runs(ORIGINAL, 70.0), runs(own, 60.0))
    path = tmp_path / "reproduce-laptop.jsonl"
    append_records(path, records)
    out = tmp_path / "report.html"
    assert main(["report", str(path), "--out", str(out)]) == 0
    row = '<td>resnet110 my_units:Squeeze (reduction 4)</td><td class="here">60.0 (59.7 to 60.3)</td>'
    assert out.read_text().count(row) == 1, "in Table 1, for which it was made"


def test_a_folder_of_results_is_its_records(results: Path, tmp_path: Path) -> None:
    assert main(["report", str(results.parent), "--out", str(tmp_path / "page.html")]) == 0
    assert "6 runs, 0.3 hours" in (tmp_path / "page.html").read_text()


def test_markdown_for_docs(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "reproduction.md"
    assert main(["report", str(results), "--out", str(out)]) == 0
    text = out.read_text()
    assert "| original | 70.0 (69.7 to 70.3) | 50.0 (49.7 to 50.3) | 3 | 6.61 |  |" in text
    assert re.search(r"\d+ claims: 1 held, [^\n]*\n\n\| claim \|", text), "above the table"
    claim = BY_ID["identity-beats-conv-shortcut"]
    assert f"| {claim.sentence} | {claim.section}; {claim.id} | held | " in text
    assert describe_margins(MARGINS) in text
    assert "{" not in text
    assert (tmp_path / "figure3.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "figure3.pdf").read_bytes().startswith(b"%PDF")
    assert "[As PDF](figure3.pdf)" in text
    assert "](units.svg)" in text
    assert (tmp_path / "units.svg").read_text().startswith("<svg")


def test_equal_curves_give_equal_files(tmp_path: Path) -> None:
    plot = Plot("A figure", {"(a)": [Curve("original", [CURVE])]}, "Of a run.")
    once, twice = (draw_curves(plot, tmp_path / f"{name}.pdf").read_bytes() for name in ("a", "b"))
    assert once == twice


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "PATH"),
        (["nowhere"], 2, "nowhere"),
        (["empty"], 2, "empty"),
        (["reproduce-laptop.jsonl", "--out", "page.pdf"], 2, "page.pdf"),
        (["damaged.jsonl"], 1, "damaged.jsonl, line 1"),
    ],
)
def test_what_cannot_be_reported_is_one_line(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.jsonl").write_text("{\n{}\n")
    (tmp_path / "empty").mkdir()
    assert results.exists()
    assert main(["report", *arguments]) == code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert message in errors[0]
    assert not list(tmp_path.glob("report.*"))
