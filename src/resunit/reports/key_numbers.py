"""The numbers at the top of a run's page, each with the words that say what the number is."""

from collections.abc import Iterator
from typing import NamedTuple

from resunit.io.format import (
    format_duration,
    format_operations,
    format_percent,
    format_rate,
    format_rounded_count,
)
from resunit.runs.read import Run, is_finite
from resunit.runs.schema import ViewName

LABELS_OF_VIEWS: dict[ViewName, str] = {
    "large_crop": "a larger crop at a larger scale",
    "ten_crops": "ten crops",
    "mirror": "image and mirror image",
    "tta": "six views: shifted and mirrored too",
}


class KeyNumber(NamedTuple):
    """A number as text, and the words that say what it is."""

    value: str
    meaning: str


def select_main_number(run: Run) -> KeyNumber | None:
    """Return the error of the newest weights that were evaluated; None if there was no evaluation."""
    if run.last_error is None:
        return None
    if run.result.status == "done":
        when = run.result.kept_at
    else:
        when = f"last evaluation, epoch {run.errors[-1][0]:.4g}" if run.errors else "last evaluation"
    return KeyNumber(format_percent(run.last_error), f"{run.last_split} error, {when}")


def select_further_numbers(run: Run) -> list[KeyNumber]:
    """Return the numbers that a page shows smaller beside the main number; unrecorded numbers are left out."""
    return [*_errors(run), *_costs(run)]


def _errors(run: Run) -> Iterator[KeyNumber]:
    if is_finite(last := run.result.last_step_error):
        yield KeyNumber(format_percent(last), f"{run.split} error, weights of the last step")
    if is_finite(best := run.result.best_error):
        yield KeyNumber(format_percent(best), f"best epoch, chosen on the {run.watched} set")
    if is_finite(top5 := run.result.top5_error):
        yield KeyNumber(format_percent(top5), f"{run.split} top-5 error")
    for view, label in LABELS_OF_VIEWS.items():
        if (found := run.result.view(view)) is not None and is_finite(found.error):
            yield KeyNumber(format_percent(found.error), f"{run.split} error, {label}")


def _costs(run: Run) -> Iterator[KeyNumber]:
    result = run.result
    yield KeyNumber(format_rounded_count(result.parameters), "parameters")
    yield KeyNumber(format_operations(result.train_flops), "training arithmetic")
    yield KeyNumber(format_duration(result.wall_seconds), "wall-clock time")
    if is_finite(result.images_per_second):
        yield KeyNumber(format_rate(result.images_per_second), "images per second")
