"""`resunit reproduce signal`: the paper's designs in one figure, from records."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resunit.cli import main
from resunit.errors import UsageError
from resunit.models.designs import DESIGNS
from resunit.reproduction.figures.signal import (
    DRAWN_MEASURES,
    SignalComparison,
    changes_for_signal,
    compare_signals,
)
from resunit.reproduction.figures.signal_figure import FLOOR, STROKES, draw_signals
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.tables import TABLES
from resunit.runs.record_files import append_records
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import measurement, runs
from tests.reproduction.real_records import MINI

PAPER = [name for name, design in DESIGNS.items() if design.of_the_paper]


def recorded(design: str, **changes: Any) -> ExperimentRecord:
    """Return the record of one run of a design, with measurements at steps 0, 100 and 200."""
    product = 0.0 if design == "plain" else 0.5
    points = tuple(
        measurement(step, gradient_gain=(3.0 + step, 1.0), direct_gain=(None, product))
        for step in (0, 100, 200)
    )
    (record,) = runs(network("resnet110", design), 50.0, seeds=1, propagation=points)
    return replace(record, **({"identity": f"{design} {changes}"} | changes))


def diverged(record: ExperimentRecord) -> ExperimentRecord:
    """Return the record as of a run that diverged before its second measurement."""
    return replace(record, status="diverged", propagation=record.propagation[:1])


def compare(records: list[ExperimentRecord], steps: int = 200) -> SignalComparison:
    return compare_signals(TABLES["signal"], records, steps=steps, origin="laptop.jsonl")


def reproduce(*arguments: str) -> int:
    return main(["reproduce", "signal", *arguments])


def test_real_records_are_drawn_without_training(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert reproduce("--records", str(MINI), "--out", str(tmp_path), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [signal["design"] for signal in document["designs"]] == PAPER
    assert [len(signal["trained"]["gradient_gain"]) for signal in document["designs"]] == [54] * 11
    assert document["pictures"] == [str(tmp_path / "designs.png")]
    assert (tmp_path / "designs.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["designs.png"]


def test_a_file_of_records_is_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, out = tmp_path / "some.jsonl", tmp_path / "out"
    some = ("original", "constant-scaling", "full-preactivation")
    append_records(file, [recorded(name) for name in some])
    arguments = ["--records", str(file), "--out", str(out)]
    assert reproduce(*arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["designs"][0]["trained"] == {"gradient_gain": [203.0, 1.0], "direct_gain": [None, 0.5]}
    assert {run["row"] for run in document["missing"]} >= {*PAPER} - {*some}
    assert reproduce(*arguments) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if "missing" in line] == [
        [name, "missing"] for name in PAPER if name not in some
    ]


@pytest.mark.parametrize("steps", [100, 800])
def test_the_second_measurement_is_at_the_step_asked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, steps: int
) -> None:
    """A file is shown whatever the length of its runs: 800 steps are more than a run of the scale has."""
    points = tuple(measurement(step, gradient_gain=(3.0 + step, 1.0)) for step in (0, 100, 800))
    file = tmp_path / "long.jsonl"
    append_records(file, [recorded(name, steps=1000, propagation=points) for name in ("original", "plain")])
    arguments = ["--records", str(file), "--out", str(tmp_path / "out"), "--steps", str(steps), "--json"]
    assert reproduce(*arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert [signal["design"] for signal in document["designs"]] == ["original", "plain"]
    for signal in document["designs"]:
        assert signal["initially"]["gradient_gain"] == [3.0, 1.0]
        assert signal["trained"]["gradient_gain"] == [3.0 + steps, 1.0]


def test_a_step_that_the_records_lack_is_refused_with_those_they_have(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    append_records(file, [recorded("original")])
    assert reproduce("--records", str(file), "--out", str(tmp_path / "out"), "--steps", "150") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "some.jsonl" in error
    assert "0, 100, 200" in error
    assert not (tmp_path / "out").exists()


def test_each_design_is_drawn_by_its_run_with_default_options_and_the_lowest_seed() -> None:
    halves = {"shortcut_scale": 0.5, "branch_scale": 0.5}
    first = diverged(recorded("constant-scaling", seed=1))
    signals = compare(
        [
            recorded("constant-scaling", options=halves),
            recorded("constant-scaling", seed=2),
            first,
            recorded("original"),
            recorded("original", model="resnet164"),
            recorded("original", data="cifar100"),
        ]
    )
    assert list(signals.records) == ["original", "constant-scaling"]
    assert signals.records["constant-scaling"] == first
    assert signals.trained("constant-scaling") is None
    assert signals.missing == tuple(name for name in PAPER if name not in signals.records)


@pytest.mark.parametrize(
    ("field", "value"),
    [("recipe", "0a1b2c3d"), ("steps", 100), ("precision", "fp32"), ("batch_size", 32), ("scale", "paper")],
)
def test_runs_of_different_settings_are_not_compared(field: str, value: object) -> None:
    """Another learning rate shows in the hash of the recipe alone."""
    records = [recorded("original"), recorded("plain", **{field: value})]
    with pytest.raises(UsageError, match=rf"laptop\.jsonl.* {field} .*{value}"):
        compare(records)


def test_a_setting_that_has_every_design_is_drawn_beside_others() -> None:
    other = [recorded("plain", recipe="0a1b2c3d")]
    both = [recorded("original"), recorded("plain")]
    signals = compare([*other, *both])
    assert list(signals.records.values()) == both


def test_every_line_can_be_told_apart_and_zero_is_said() -> None:
    records = [recorded(name) for name in PAPER]
    records[5] = diverged(records[5])
    drawing = draw_signals(compare(records))
    for strokes in STROKES.values():
        assert len(set(strokes.values())) == len(strokes)
    assert {design for strokes in STROKES.values() for design in strokes} == set(PAPER)
    texts = [text.get_text() for axes in drawing.axes for text in axes.texts]
    assert texts.count("plain: 0") == 2
    legends = [
        text.get_text() for axes in drawing.axes if (legend := axes.get_legend()) for text in legend.texts
    ]
    assert f"{PAPER[5]}\n(diverged: initialisation only)" in legends
    assert str(FLOOR) in drawing.get_suptitle()
    assert all(float(tick).is_integer() for axes in drawing.axes for tick in axes.get_xticks())
    assert (
        "; without plain;"
        in draw_signals(compare([r for r in records if r.design != "plain"])).get_suptitle()
    )


def test_the_direct_term_with_f_stands_beside_that_of_h_alone() -> None:
    """Fig. 2 is about h, which plain closes; Fig. 4 is about f, which takes half of the original's path."""
    paths = {"original": (1.0, 0.5), "plain": (0.0, 0.0), "full-preactivation": (1.0, 1.0)}
    records = [
        replace(
            recorded(design),
            propagation=tuple(
                measurement(
                    step, gradient_gain=(3.0, 1.0), shortcut_gain=(alone, 1.0), direct_gain=(both, 1.0)
                )
                for step in (0, 200)
            ),
        )
        for design, (alone, both) in paths.items()
    ]
    drawing = draw_signals(compare(records))
    panels = [axes for axes in drawing.axes if "direct" in axes.get_ylabel()]
    assert len(panels) == 2 * 2 * len(STROKES), "two times, h alone and with f, for each table"
    for left, right in zip(panels[::2], panels[1::2], strict=True):
        assert ("h alone" in left.get_ylabel(), "h and f" in right.get_ylabel()) == (True, True)
        assert left.get_title(loc="left") == right.get_title(loc="left")
        assert left.get_position().y0 == right.get_position().y0
        assert left.get_ylim() == right.get_ylim()
        for axes, place in ((left, 0), (right, 1)):
            for line in axes.lines:
                first = np.asarray(line.get_ydata())[0]
                assert first == max(paths[str(line.get_label())][place], FLOOR)


def test_records_without_a_direct_term_are_drawn_without_it() -> None:
    """Older versions recorded a product of lambda, which is no direct term where h(x) is no multiple of x."""
    old = replace(
        recorded("original"),
        propagation=tuple(
            measurement(step, gradient_gain=(3.0, 1.0), lambda_product=(None, 0.5)) for step in (0, 200)
        ),
    )
    signals = compare([old])
    assert signals.drawn == ("gradient_gain",)
    assert signals.initially("original") == {"gradient_gain": (3.0, 1.0)}
    drawing = draw_signals(signals)
    assert len(drawing.axes) == 2 * len(STROKES)
    assert all(name in drawing.get_suptitle() for name in ("direct_gain", "shortcut_gain"))


def test_steps_that_were_not_measured_are_refused() -> None:
    with pytest.raises(UsageError, match=r"step 300.*0, 100, 200"):
        compare([recorded("original")], steps=300)


@pytest.mark.parametrize(
    ("content", "code", "named"),
    [
        (None, 1, "none.jsonl"),
        ("{\n{}\n", 1, "line 1"),
        ('{"table": "table1"}\n', 1, "line 1"),
        ("", 2, "none.jsonl"),
    ],
)
def test_files_that_cannot_be_drawn_are_named_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, code: int, named: str
) -> None:
    file, out = tmp_path / "none.jsonl", tmp_path / "out"
    if content is not None:
        file.write_text(content)
    assert reproduce("--records", str(file), "--out", str(out)) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert named in captured.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("steps", "watched", "length", "changes"),
    [
        (200, 100, 400, {}),
        (200, None, 64_000, {"watch_propagation": 200}),
        (250, 100, 400, {"watch_propagation": 250}),
        (400, 100, 400, {"steps": 401}),
    ],
)
def test_a_run_is_as_long_and_as_watched_as_the_signal_needs(
    steps: int, watched: int | None, length: int, changes: dict[str, int]
) -> None:
    assert changes_for_signal({"padding": 3}, steps, watched, length) == {"padding": 3, **changes}


@pytest.mark.full
def test_every_design_is_trained_and_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert reproduce("--scale", "smoke", "--jobs", "1", "--out", str(tmp_path), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [signal["design"] for signal in document["designs"]] == PAPER
    # The learning rate of so few steps makes some designs diverge, after the second measurement.
    assert all(signal["status"] in ("done", "diverged") for signal in document["designs"])
    for signal in document["designs"]:
        for when in ("initially", "trained"):
            assert {name: len(values) for name, values in signal[when].items()} == dict.fromkeys(
                DRAWN_MEASURES, 54
            )
    assert (tmp_path / "designs.png").exists()
