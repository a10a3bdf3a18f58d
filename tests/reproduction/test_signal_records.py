"""`resunit propagation designs --records`: the picture of the eleven designs without training again."""

import json
from pathlib import Path
from typing import Any

import pytest

from resunit.cli import main
from resunit.models.designs import DESIGNS
from resunit.reproduction.signal_figure import FLOOR, TABLES, figure
from resunit.reproduction.signal_records import recorded_designs

PAPER = [name for name, row in DESIGNS.items() if row.of_the_paper]


def experiment(design: str, **changes: Any) -> dict[str, Any]:
    product = 0.0 if design == "plain" else 0.5
    lines = [
        {"step": step, "gradient_gain": [3.0 + step, 1.0], "lambda_product": [None, product]}
        for step in (0, 100, 200)
    ]
    return {
        "table": "table1", "row": design, "model": "resnet110", "design": design, "data": "cifar10",
        "options": dict(DESIGNS[design].options), "scale": "mini", "steps": 400, "batch_size": 64,
        "precision": "bf16", "numerics": 1, "seed": 0, "status": "done", "propagation": lines,
    } | changes  # fmt: skip


def written(path: Path, *experiments: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in experiments))
    return path


def refused(capsys: pytest.CaptureFixture[str], code: int, records: Path, *arguments: str) -> str:
    out = records.parent / "out"
    assert main(["propagation", "designs", "--records", str(records), "--out", str(out), *arguments]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert not out.exists()
    return captured.err


def test_all_eleven_are_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    records = written(tmp_path / "mini.jsonl", *map(experiment, PAPER))
    out = tmp_path / "out"
    assert main(["propagation", "designs", "--records", str(records), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [record["design"] for record in document["designs"]] == PAPER
    assert document["missing"] == []
    assert document["designs"][0]["trained"] == {"gradient_gain": [203.0, 1.0], "lambda_product": [None, 0.5]}
    assert (out / "designs.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in out.iterdir()] == ["designs.png"]


def test_the_run_with_default_options_and_the_lowest_seed(tmp_path: Path) -> None:
    other = experiment("constant-scaling", options={"shortcut_scale": 0.5, "branch_scale": 0.5}, row="other")
    second = experiment("constant-scaling", seed=2)
    first = experiment("constant-scaling", seed=1, status="diverged")
    first["propagation"] = first["propagation"][:1]
    elsewhere = [experiment("original", model="resnet164"), experiment("original", data="cifar100")]
    records = written(tmp_path / "mini.jsonl", other, second, first, experiment("original"), *elsewhere)
    chosen = recorded_designs(records, "resnet110", steps=200, data="cifar10")
    assert list(chosen) == ["original", "constant-scaling"]
    assert (chosen["constant-scaling"]["seed"], chosen["constant-scaling"]["trained"]) == (1, None)


def test_designs_that_were_not_recorded_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    recorded = [name for name in PAPER if name not in ("plain", "relu-before-addition")]
    records = written(tmp_path / "mini.jsonl", *map(experiment, recorded))
    arguments = ["propagation", "designs", "--records", str(records), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == ["plain", "relu-before-addition"]
    assert main(arguments) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines() if "missing" in line] == [
        ["plain", "missing"], ["relu-before-addition", "missing"],
    ]  # fmt: skip
    drawing = figure(recorded_designs(records, "resnet110", steps=200, data="cifar10"), 200)
    assert "; without plain, relu-before-addition;" in drawing.get_suptitle()


def test_every_line_can_be_told_apart_and_zero_is_said(tmp_path: Path) -> None:
    lines = [experiment(name) for name in PAPER]
    lines[5] |= {"status": "diverged", "propagation": lines[5]["propagation"][:1]}
    records = written(tmp_path / "mini.jsonl", *lines)
    drawing = figure(recorded_designs(records, "resnet110", steps=200, data="cifar10"), 200)
    for strokes in TABLES.values():
        assert len(set(strokes.values())) == len(strokes)
    assert {design for strokes in TABLES.values() for design in strokes} == set(PAPER)
    words = [text.get_text() for axes in drawing.axes for text in axes.texts]
    assert words.count("plain: 0") == 2
    legends = [
        text.get_text() for axes in drawing.axes if (legend := axes.get_legend()) for text in legend.texts
    ]
    assert f"{PAPER[5]}\n(diverged: initialisation only)" in legends
    assert str(FLOOR) in drawing.get_suptitle()
    assert all(float(tick).is_integer() for axes in drawing.axes for tick in axes.get_xticks())


def test_what_cannot_be_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    records = written(tmp_path / "mini.jsonl", experiment("original"))
    assert "no propagation at step 300, only at 0, 100, 200" in refused(capsys, 2, records, "--steps", "300")
    assert "no run of resnet20 on cifar10" in refused(capsys, 2, records, "resnet20")
    written(records, experiment("original"), experiment("plain", steps=100))
    assert "mixes runs that cannot be compared" in refused(capsys, 2, records)
    records.write_text("{\n{}\n")
    assert "line 1: damaged" in refused(capsys, 1, records)
    lacking = experiment("original")
    del lacking["options"]
    assert "the record of a run lacks options" in refused(capsys, 1, written(records, lacking))
    assert "no such file" in refused(capsys, 1, tmp_path / "none.jsonl")
