from collections.abc import Callable
from pathlib import Path

import pytest

from resunit.errors import CutOffRecord
from resunit.reports.findings import findings
from resunit.runs.confusion import Confusion
from resunit.runs.read import read_run
from tests.reports.run_records import CLASSES, evaluation, log

WriteRun = Callable[..., Path]


def said(folder: Path) -> str:
    return "\n".join(findings(read_run(folder))).replace("\N{NO-BREAK SPACE}", " ")


def test_a_finished_run_says_last_and_best_apart(write_run: WriteRun):
    text = said(write_run())
    assert "The test error is 8.31 % at the last epoch." in text
    assert "chosen on the test set, is epoch 17 with 8.19 %: 0.12 points lower" in text
    assert "10,000 images, the error lies between 7.78 % and 8.87 % (95 % interval)" in text
    assert "training error ends at 4.10 %, 4.21 points below the test error" in text
    assert "stopped" not in text.replace("stopped improving", "")


def test_the_classes_of_the_confusion_matrix(write_run: WriteRun):
    text = said(write_run())
    assert "are cat and dog, 155 times: cat was taken for dog 85 times, dog for cat 70 times." in text
    assert "The hardest class is cat, 14.40 % wrong" in text


def test_a_last_epoch_that_is_the_best(write_run: WriteRun):
    text = said(write_run(result={"best_test_error": 8.31, "best_epoch": 18}))
    assert "8.31 % at the last epoch, which is also the best of the run" in text


def test_where_the_error_stopped_improving(write_run: WriteRun):
    flat = [{**line, "test_error": max(line["test_error"], 14.0)} for line in log()]
    assert "stopped improving at epoch 14 of 18" in said(write_run(log=flat))


def test_an_error_still_falling(write_run: WriteRun):
    falling = [{**line, "test_error": 60 - 2.5 * line["epoch"]} for line in log()]
    assert "still falling in the last tenth" in said(write_run(log=falling))


def test_a_training_error_above_the_test_error_is_explained(write_run: WriteRun):
    text = said(write_run(log=[{**line, "train_error": 20.0} for line in log()]))
    assert "11.69 points above the test error: it is counted during the epoch, on augmented images" in text


def test_a_stopped_run_says_how_to_resume(write_run: WriteRun):
    folder = write_run(
        log=log(7),
        recipe={"steps": 7020},
        result={
            "status": "stopped",
            "steps": 2730,
            "test_error": None,
            "best_test_error": None,
            "best_epoch": None,
        },
        evaluation=None,
    )
    text = said(folder)
    assert "stopped at step 2,730 of 7,020" in text
    assert f"`resunit train --resume {folder}`" in text
    assert "at the last evaluation" in text


def test_a_diverged_run_without_any_evaluation(write_run: WriteRun):
    text = said(
        write_run(
            log=[],
            result={
                "status": "diverged",
                "steps": 41,
                "test_error": None,
                "best_test_error": None,
                "best_epoch": None,
            },
            evaluation=None,
        )
    )
    assert "diverged: its numbers were no longer finite at step 41" in text
    assert "learning rate below 0.1" in text
    assert "before its first evaluation" in text


def test_losses_that_are_not_finite_are_passed_over(write_run: WriteRun):
    lines = [*log(3), {**log(4)[3], "test_error": float("nan"), "train_error": float("nan")}]
    text = said(write_run(log=lines, result={"status": "diverged", "test_error": None}, evaluation=None))
    assert "nan" not in text


def test_a_log_line_that_was_cut_off_is_left_out(write_run: WriteRun):
    folder = write_run()
    whole = read_run(folder)
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 7')
    with pytest.warns(CutOffRecord, match="line 19: cut off, left out"):
        assert read_run(folder) == whole


def test_a_validation_run_claims_no_test_error(write_run: WriteRun):
    folder = write_run(
        log=log(split="validation"),
        result={
            "test_error": None,
            "best_test_error": None,
            "validation_error": 8.31,
            "best_validation_error": 8.19,
        },
        evaluation=evaluation(split="validation"),
    )
    text = said(folder)
    assert "The validation error is 8.31 % at the last epoch" in text
    assert "not on a test set" in text


def test_the_sample_is_not_comparable(write_run: WriteRun):
    assert "not comparable" in said(write_run(recipe={"data": "cifar10-sample"}))


def test_an_error_at_chance_is_called_so(write_run: WriteRun):
    text = said(write_run(result={"test_error": 89.7, "best_test_error": 89.7}))
    assert "guessing among 10 classes" in text


@pytest.mark.parametrize("counts", [[[5, 0], [0, 5]], [[5, 0], [0, 0]]])
def test_a_matrix_without_mistakes_confuses_no_pair(counts: list[list[int]]):
    assert Confusion(["a", "b"], counts).most_confused() is None


def test_classes_without_images_have_no_error():
    assert Confusion(CLASSES[:2], [[3, 1], [0, 0]]).hardest_first() == [(25.0, "airplane", "automobile")]
