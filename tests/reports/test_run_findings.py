"""The findings are checked by the numbers and the names in them."""

from dataclasses import replace
from pathlib import Path

import pytest

from resunit.reports.run_findings import find_in_run
from resunit.runs.confusion import Confusion
from resunit.runs.read import Run
from tests.reports.run_records import ENVIRONMENT, RECIPE, RESULT, evaluation, log

RUN = Run(Path("runs/one"), RECIPE, ENVIRONMENT, tuple(log()), (), RESULT, evaluation())
NO_ERRORS = replace(RESULT, test_error=None, best_test_error=None, best_epoch=None)


def findings(run: Run) -> list[str]:
    return [finding.replace("\N{NO-BREAK SPACE}", " ") for finding in find_in_run(run)]


def finding_with(run: Run, *parts: str) -> str:
    """Return the only finding that holds all `parts`."""
    (found,) = (finding for finding in findings(run) if all(part in finding for part in parts))
    return found


def test_the_last_and_the_lowest_error_are_told_apart() -> None:
    assert finding_with(RUN, "8.31 %", "8.19 %", "epoch 17", "0.12 points")


def test_the_error_has_an_interval_for_the_number_of_images() -> None:
    assert finding_with(RUN, "10,000 images", "7.78 %", "8.87 %")


def test_the_training_error_stands_beside_the_test_error() -> None:
    assert finding_with(RUN, "4.10 %", "4.21 points below")


def test_the_classes_of_the_confusion_matrix() -> None:
    assert finding_with(RUN, "cat and dog", "155 times", "85 times", "70 times")
    assert finding_with(RUN, "hardest", "cat", "14.40 %")


def test_a_last_error_that_is_the_lowest_is_not_compared() -> None:
    best_at_the_end = replace(RUN, result=replace(RESULT, best_test_error=8.31, best_epoch=18.0))
    assert "points" not in finding_with(best_at_the_end, "8.31 %", "lowest")


def test_where_the_error_stopped_improving() -> None:
    flat = [replace(line, error=max(line.error or 0.0, 14.0)) for line in log()]
    assert finding_with(replace(RUN, log=tuple(flat)), "epoch 14 of 18")


def test_an_error_that_is_still_falling() -> None:
    falling = [replace(line, error=60 - 2.5 * line.epoch) for line in log()]
    assert finding_with(replace(RUN, log=tuple(falling)), "still falling")


def test_errors_on_fewer_images_are_not_compared_with_those_on_all() -> None:
    lines = log()
    *before, last = [replace(line, error=5.0, images=100) for line in lines[:-1]] + [lines[-1]]
    only_last = replace(
        RUN, log=(*before, last), result=replace(RESULT, best_test_error=8.31, best_epoch=18.0)
    )
    assert finding_with(only_last, "only 100 of the 10,000 test images")
    assert not any("lowest" in found or "improving" in found for found in findings(only_last))
    assert finding_with(only_last, "The test error is 8.31 % at the last epoch.")


def test_a_training_error_above_the_test_error_is_explained() -> None:
    above = [replace(line, train_error=20.0) for line in log()]
    assert finding_with(replace(RUN, log=tuple(above)), "20.00 %", "11.69 points above", "augmented")


def test_a_stopped_run_says_how_to_resume() -> None:
    result = replace(NO_ERRORS, status="stopped", steps=2730)
    stopped = replace(
        RUN, recipe={**RECIPE, "steps": 7020}, log=tuple(log(7)), result=result, evaluation=None
    )
    assert finding_with(stopped, "2,730 of 7,020", "`resunit train --resume runs/one`")
    assert finding_with(stopped, f"{log(7)[-1].error:.2f} %", "last evaluation")


def test_a_diverged_run_without_any_evaluation() -> None:
    result = replace(NO_ERRORS, status="diverged", steps=41)
    diverged = replace(RUN, log=(), result=result, evaluation=None)
    assert finding_with(diverged, "diverged", "step 41", "below 0.1")
    assert finding_with(diverged, "before its first evaluation")


def test_numbers_that_are_not_finite_are_passed_over() -> None:
    nan = float("nan")
    lines = (*log(3), replace(log(4)[3], error=nan, train_error=nan))
    diverged = replace(RUN, log=lines, result=replace(NO_ERRORS, status="diverged"), evaluation=None)
    assert "nan" not in " ".join(findings(diverged))


def test_a_validation_run_names_no_test_error() -> None:
    result = replace(NO_ERRORS, split="validation", validation_error=8.31, best_validation_error=8.19)
    run = replace(
        RUN, log=tuple(log(split="validation")), result=result, evaluation=evaluation(split="validation")
    )
    assert finding_with(run, "validation error", "8.31 %")
    assert "test error" not in " ".join(findings(run))


def test_an_error_on_the_sample_is_qualified() -> None:
    on_sample = replace(RUN, result=replace(RESULT, data="cifar10-sample"))
    assert finding_with(on_sample, "1,000 training images")
    assert not any("1,000 training images" in finding for finding in findings(RUN))


def test_an_error_at_chance_is_called_so() -> None:
    guessing = replace(RUN, result=replace(RESULT, test_error=89.7, best_test_error=89.7))
    assert finding_with(guessing, "10 classes")


def test_a_matrix_without_mistakes_gives_no_finding_about_classes() -> None:
    right = replace(evaluation(), classes=("a", "b"), confusion=((5, 0), (0, 5)))
    assert Confusion(right.classes, right.confusion).find_most_confused() is None
    assert not any("hardest" in finding for finding in findings(replace(RUN, evaluation=right)))


@pytest.mark.parametrize("count", [1, 2])
def test_few_evaluations_say_nothing_of_progress(count: int) -> None:
    assert not any("improving" in finding for finding in findings(replace(RUN, log=tuple(log(count)))))


@pytest.mark.parametrize(
    ("counts", "is_few"),
    [
        (((49, 0), (1, 49)), True),
        (((50, 0), (1, 49)), False),
        (((100, 2), (0, 1)), False),
    ],
)
def test_under_a_hundred_images_no_conclusion_is_drawn(
    counts: tuple[tuple[int, ...], ...], is_few: bool
) -> None:
    run = replace(RUN, evaluation=replace(evaluation(), classes=("a", "b"), confusion=counts))
    found = findings(run)
    assert (len(found) == 1) == is_few
    assert any("interval" in finding for finding in found) != is_few
    if is_few:
        assert "99 images" in found[0]
        assert "8.31 %" in found[0]


def test_under_five_images_a_class_no_conclusion_is_drawn() -> None:
    rows = tuple(tuple(4 * (i == j) for j in range(50)) for i in range(50))
    names = tuple(f"class {i}" for i in range(50))
    run = replace(RUN, evaluation=replace(evaluation(), classes=names, confusion=rows))
    assert len(findings(run)) == 1
    assert finding_with(run, "200 images of 50 classes")


def test_nothing_is_concluded_about_one_class_of_few_images() -> None:
    counts = ((90, 8, 2), (0, 96, 4), (4, 0, 0))
    run = replace(RUN, evaluation=replace(evaluation(), classes=("a", "b", "rare"), confusion=counts))
    assert finding_with(run, "1 class", "fewer than 5")
    assert finding_with(run, "hardest", "a ", "b ")
    assert not any("rare" in finding for finding in findings(run))


def test_validation_and_test_errors_are_not_compared() -> None:
    both = replace(RESULT, best_test_error=None, best_validation_error=8.19)
    watched = replace(RUN, result=both, log=tuple(replace(line, split="validation") for line in log()))
    assert finding_with(watched, "test error", "8.31 %")
    assert "points" not in finding_with(watched, "validation error", "8.19 %", "epoch 17")
    assert finding_with(watched, "4.10 %", "below the validation error")


def test_notes_about_the_images_are_findings() -> None:
    noted = replace(RUN, environment=replace(ENVIRONMENT, data_notes=("p/test: has no class folders",)))
    assert finding_with(noted, "p/test: has no class folders")
