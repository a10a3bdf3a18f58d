"""`resunit bench` as users type it: one JSON document, missing peers named, bad input refused, a page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.document import write_document
from benchmarks.records import Measurement, lines, newest, path_of
from resunit.cli import main
from resunit.io.jsonl import append_lines

TRAIN = ("bench", "train", "--model", "preresnet20", "--batch-size", "2", "--rounds", "1")


def resunit(*arguments: str, folder: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{code}\nfrom resunit.cli import main\nsys.exit(main())"
    script = folder / "program.py"  # a file, as processes start from it again
    script.write_text("if __name__ == '__main__':\n" + "".join(f"    {x}\n" for x in program.splitlines()))
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_train_prints_one_document_with_ratios_and_names_a_missing_peer(tmp_path: Path) -> None:
    hidden = "sys.modules['torch_resnet'] = None"  # as find_spec sees a library that is not there
    done = resunit(*TRAIN, "--against", "pytorchcv,torch-resnet", "--json", folder=tmp_path, code=hidden)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    ratios = {ratio["what"]: ratio for ratio in document["ratios"]}
    assert {
        "preresnet20: images/s over pytorchcv as its users run it",
        "preresnet20: images/s over pytorchcv at its best",
        "preresnet20: share of the convolution-only limit",
    } <= set(ratios)
    for ratio in ratios.values():
        assert 0 < ratio["found"]["least"] <= ratio["found"]["median"] <= ratio["found"]["most"]
    assert any("torch-resnet is missing" in notice for notice in document["notices"])
    assert {"processor", "cores", "threads", "torch", "commit"} <= set(document["machine"])
    limits = {m["contestant"] for m in document["measurements"]} & {
        "GEMM fp32",
        "GEMM bf16",
        "memory bandwidth",
    }
    assert len(limits) == 3
    _, kept = newest(tmp_path / "results", "train")
    assert [m.contestant for m in kept] == [m["contestant"] for m in document["measurements"]]
    assert all(len(m.seconds) == 1 for m in kept)
    parameters = {m.details["parameters"] for m in kept if "parameters" in m.details}
    assert parameters == {272_282}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trian",), "did you mean 'train'?"),
        (("train", "--against", "pytorchvc"), "did you mean 'pytorchcv'?"),
        (("train", "--model", "preresnet21"), "unknown model 'preresnet21'"),
        (("infer", "--model", "preresnet21"), "unknown model 'preresnet21'"),
        (("memory", "--model", "preresnet21"), "unknown model 'preresnet21'"),
        (("growth", "--model", "preresnet20"), "in pairs"),
        (("startup", "--batch-size", "8"), "bench startup takes no --batch-size"),
        (("document", "--rounds", "8"), "bench document takes no --rounds"),
        (("train", "--rounds", "0"), "--rounds must be at least 1, not 0"),
        (("document",), "no measurements"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert words in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "contestants", "judged"),
    [
        (
            ("infer", "--model", "preresnet20", "--batch-size", "2"),
            {"resunit", "pytorchcv default", "pytorchcv best"},
            "latency|throughput",
        ),
        (
            ("growth", "--model", "preresnet20", "--model", "preresnet32", "--batch-size", "2"),
            {"preresnet20", "preresnet32"},
            "seconds a unit, preresnet32 over preresnet20",
        ),
        (
            ("memory", "--model", "preresnet56", "--batch-size", "8"),
            {"resunit fast", "resunit small", "pytorchcv default", "pytorchcv best"},
            "speed, activation_checkpointing=small over activation_checkpointing=fast",
        ),
        (("program", "--batch-size", "250"), {"bare step", "resunit train"}, "over those of its bare step"),
        (("startup",), {"resunit --help", "first training step"}, "first training step"),
    ],
)
def test_every_subject_measures_and_judges(
    arguments: tuple[str, ...], contestants: set[str], judged: str, tmp_path: Path
) -> None:
    done = resunit("bench", *arguments, "--rounds", "1", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert contestants <= {m["contestant"] for m in document["measurements"]}
    assert any(re.search(judged, ratio["what"]) for ratio in document["ratios"])
    assert all(ratio["found"]["median"] > 0 for ratio in document["ratios"])
    small = [m["details"]["memory"] for m in document["measurements"] if m["contestant"] == "resunit small"]
    fast = [m["details"]["memory"] for m in document["measurements"] if m["contestant"] == "resunit fast"]
    assert small < fast or not fast


def test_recorded_runs_are_judged_by_their_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "status": "done", "commit": "c", "model": "m", "train_flops": 9e13, "alone": True,
        "wall_seconds": 600.0, "seed": 0, "test_error": 8.0,
        "test_error_mirrored_views": 7.5, "test_error_augmented_views": 7.0,
        "recipe": {"epochs": 12},
    }  # fmt: skip
    older = row | {"recipe": {"epochs": 11}, "test_error": 50.0}
    again = row | {"seed": 1, "test_error": 9.2}
    append_lines(tmp_path / "quick.jsonl", [older, row, again | {"test_error": 60.0}, again])
    assert main(["bench", "accuracy", "--out", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    plain, mirrored, augmented, arithmetic = document["ratios"]
    assert plain["found"]["median"] == pytest.approx(91.4)
    assert (plain["goal"], plain["met"]) == (91.5, False)
    assert mirrored["met"] is None
    assert (augmented["found"]["median"], augmented["met"]) == (pytest.approx(93.0), True)
    assert arithmetic["found"]["median"] == pytest.approx(0.09)
    assert any("fast94: no finished run" in notice for notice in document["notices"])
    append_lines(tmp_path / "quick.jsonl", [again | {"alone": False}, row | {"alone": False}])
    assert main(["bench", "accuracy", "--out", str(tmp_path)]) == 0  # a table without times
    assert "93 %" in capsys.readouterr().out


def test_a_line_that_was_cut_off_is_dropped_and_not_glued_to_the_next(tmp_path: Path) -> None:
    kept = path_of(tmp_path, "train")
    step = Measurement("train", "resunit", (1.0,), 128, "images", "preresnet20", {"batch_size": 128})
    append_lines(kept, lines([step], {"run": "a", "machine": {}}))
    kept.write_text(kept.read_text() + '{"run": "b", "mach')
    append_lines(kept, lines([step], {"run": "c", "machine": {}}))
    assert newest(tmp_path, "train") == ({"run": "c", "machine": {}}, [step])


def swept(axis: str, value: int, contestant: str, seconds: float) -> Measurement:
    settings = {"batch_size": 32, "axis": axis, "value": value}
    details = {"memory": 1000_000 * value}
    return Measurement(
        "sweep", contestant, (seconds, 2 * seconds), 32, "images", "preresnet20", settings, details
    )


def test_the_document_holds_the_newest_numbers_and_the_notes(tmp_path: Path) -> None:
    run = {
        "machine": {"processor": "P", "cores": 2, "threads": 2, "torch": "t", "resunit": "r", "commit": "c"}
    }
    old, new = {"run": "2026-01-01T00:00:00+00:00", **run}, {"run": "2026-01-02T00:00:00+00:00", **run}
    settings = {"batch_size": 128, "image_size": 32, "threads": 2}

    def step(contestant: str, *seconds: float) -> Measurement:
        return Measurement(
            "train", contestant, seconds, 128, "images", "preresnet20", settings, {"memory": 1 << 20}
        )

    records, docs = tmp_path / "results", tmp_path / "docs"
    append_lines(path_of(records, "train"), lines([step("resunit", 9.0), step("pytorchcv best", 9.0)], old))
    append_lines(
        path_of(records, "train"), lines([step("resunit", 1.0, 2.0), step("pytorchcv best", 1.2, 2.2)], new)
    )
    contestants = ("resunit", "pytorchcv best", "pytorchcv default", "convolutions alone")
    sweep = [
        swept(axis, value, contestant, 0.1 * number)
        for axis in ("depth", "width", "batch", "threads")
        for value in (1, 2)
        for number, contestant in enumerate(contestants, 1)
    ]
    append_lines(path_of(records, "sweep"), lines(sweep, new))
    docs.mkdir()
    (docs / "performance.notes.md").write_text("## What was tried\n\nWritten by hand.\n")
    page = write_document(records, docs)
    text = page.read_text()
    assert (
        "| 1.15 x | 1.1 – 1.2 | at least 1.15 x | **not met** |" in text or "at least 1.15 x | met |" in text
    )
    assert "2026-01-02" in text
    assert "2026-01-01" not in text
    assert text.endswith("Written by hand.\n")
    picture = (docs / "performance.svg").read_text()
    assert len(picture) < 300_000
    again = write_document(records, docs).read_text()
    assert (again, (docs / "performance.svg").read_text()) == (text, picture)
