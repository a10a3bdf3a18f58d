import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resunit.errors import CutOffRecord, FileFormatError, RunError
from resunit.runs.read import read_run
from resunit.runs.schema import PropagationLine, ViewError
from tests.reports.run_records import ENVIRONMENT, RECIPE, RESULT, evaluation, log, write_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_what_was_written_is_read(folder: Path) -> None:
    measured = PropagationLine(10, 0.5, ("a",), {"stream_rms": (1.5,)})
    run = read_run(write_run(folder, evaluated=evaluation(), propagation=[measured]))
    assert run.recipe == RECIPE
    assert (run.environment, run.result, run.evaluation) == (ENVIRONMENT, RESULT, evaluation())
    assert (run.log, run.propagation) == (tuple(log()), (measured,))
    assert (run.split, run.last_error, len(run.errors)) == ("test", RESULT.test_error, len(log()))


def test_what_a_run_did_not_write_is_none_or_empty(folder: Path) -> None:
    run = read_run(write_run(folder, environment=None, lines=[]))
    assert (run.environment, run.log, run.propagation, run.evaluation) == (None, (), (), None)
    assert run.confusion is None


def test_a_stopped_run_has_the_error_of_its_last_finite_evaluation(folder: Path) -> None:
    lines = [*log(3), replace(log(4)[3], error=None)]
    stopped = replace(RESULT, status="stopped", test_error=None)
    assert read_run(write_run(folder, lines=lines, result=stopped)).last_error == log(3)[-1].error


def test_a_run_that_held_out_validation_images_is_judged_on_them(folder: Path) -> None:
    result = replace(RESULT, split="validation", test_error=None, validation_error=9.5)
    run = read_run(write_run(folder, result=result, lines=log(split="validation")))
    assert (run.split, run.last_error) == ("validation", 9.5)


def format_1(record: Any) -> str:
    return json.dumps({name: value for name, value in record.items() if name not in ("format", "checksum")})


def test_records_of_format_1_are_upgraded(folder: Path) -> None:
    write_run(folder, environment=None)
    recipe = {name: value for name, value in RECIPE.items() if name not in ("milestones", "tta")}
    (folder / "recipe.json").write_text(format_1({**recipe, "drops": [0.5], "augmented_views": True}))
    result = json.loads((folder / "result.json").read_text())
    result = {name: value for name, value in result.items() if name != "split" and "validation" not in name}
    del result["views"]
    (folder / "result.json").write_text(format_1({**result, "test_error_mirrored_views": 7.9}))
    line = {"step": 10, "epoch": 1.0, "train_loss": 1.0, "train_error": 30.0}
    (folder / "log.jsonl").write_text(json.dumps({**line, "test_loss": float("nan"), "test_error": 20.0}))
    run = read_run(folder)
    assert (run.recipe["milestones"], run.recipe["tta"]) == ([0.5], True)
    assert run.result.views == (ViewError("mirror", 7.9),)
    assert run.errors == [(1.0, 20.0)]


def test_a_result_of_format_2_keeps_its_views_and_has_no_training_error(folder: Path) -> None:
    result = replace(RESULT, views=(ViewError("tta", 7.9),))
    write_run(folder, result=result)
    written = json.loads((folder / "result.json").read_text())
    del written["train_loss"], written["train_error"], written["checksum"]
    (folder / "result.json").write_text(json.dumps({**written, "format": 2}))
    assert read_run(folder).result == replace(result, train_loss=None, train_error=None)


def test_a_log_line_that_was_cut_off_is_left_out(folder: Path) -> None:
    whole = read_run(write_run(folder))
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 7')
    with pytest.warns(CutOffRecord, match=r"log\.jsonl, line 19"):
        assert read_run(folder) == whole


def test_a_measurement_of_format_2_has_no_verdict(folder: Path) -> None:
    measured = PropagationLine(10, 0.5, ("a",), {"stream_rms": (1.5,)})
    write_run(folder, propagation=[measured])
    written = json.loads((folder / "propagation.jsonl").read_text())
    del written["verdict"]
    (folder / "propagation.jsonl").write_text(json.dumps({**written, "format": 2}) + "\n")
    assert read_run(folder).propagation == (measured,)


@pytest.mark.parametrize("name", ["result.json", "log.jsonl", "environment.json", "evaluation.json"])
def test_a_digit_that_was_not_written_is_found_and_its_file_named(folder: Path, name: str) -> None:
    path = write_run(folder, evaluated=evaluation()) / name
    content = path.read_bytes()
    place = next(index for index, byte in enumerate(content) if byte in b"123456789")
    path.write_bytes(content[:place] + b"0" + content[place + 1 :])
    with pytest.raises(FileFormatError, match=re.escape(str(path))):
        read_run(folder)


@pytest.mark.parametrize("missing", ["recipe.json", "result.json"])
def test_a_folder_without_a_recipe_or_a_result_is_refused(folder: Path, missing: str) -> None:
    write_run(folder)
    (folder / missing).unlink()
    with pytest.raises(RunError, match=f"^{re.escape(str(folder))}: .*{re.escape(missing)}"):
        read_run(folder)


NAMES = [
    "recipe.json",
    "environment.json",
    "result.json",
    "evaluation.json",
    "log.jsonl",
    "propagation.jsonl",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_record_of_a_newer_format_is_refused_with_its_file_and_writer(folder: Path, name: str) -> None:
    write_run(folder)
    (folder / name).write_text('{"format": 99, "resunit": "9.8.7"}\n')
    with pytest.raises(FileFormatError, match=rf"{re.escape(name)}.*9\.8\.7"):
        read_run(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_record_is_refused_with_its_file(folder: Path, name: str) -> None:
    write_run(folder)
    (folder / name).write_text("{\n{}\n")
    with pytest.raises(FileFormatError, match=re.escape(name)):
        read_run(folder)
