"""The numbers at the top of a run's page, each with the words that say what it is."""

from typing import NamedTuple

from resunit.io import format as quantities
from resunit.runs.read import Run, is_number


class Measure(NamedTuple):
    """A number and the words that say what it is."""

    value: str
    meaning: str


def headline(run: Run) -> Measure | None:
    """The run's error, with the words that say which error it is."""
    if run.last_error is None:
        return None
    if run.result.get("status") == "done":
        when = "last epoch"
    else:
        when = f"last evaluation, epoch {run.errors[-1][0]:.4g}" if run.errors else "last evaluation"
    return Measure(quantities.percent(run.last_error), f"{run.split} error, {when}")


def measures(run: Run) -> list[Measure]:
    """The smaller numbers beside the headline; those the run did not record are left out."""
    best = f"best epoch, chosen on the {run.split} set"
    rows = [
        (f"best_{run.split}_error", quantities.percent, best),
        (f"{run.split}_top5_error", quantities.percent, f"{run.split} top-5 error"),
        (f"{run.split}_error_large_crop", quantities.percent, f"{run.split} error, a larger crop"),
        (f"{run.split}_error_ten_crops", quantities.percent, f"{run.split} error, ten crops"),
        (
            f"{run.split}_error_mirrored_views",
            quantities.percent,
            f"{run.split} error, image and mirror image",
        ),
        (
            f"{run.split}_error_augmented_views",
            quantities.percent,
            f"{run.split} error, six views: shifted and mirrored too",
        ),
        ("parameters", quantities.amount, "parameters"),
        ("train_flops", quantities.petaflop, "training arithmetic"),
        ("wall_seconds", quantities.duration, "wall-clock time"),
        ("images_per_second", quantities.rate, "images per second"),
    ]
    return [
        Measure(written(run.result[field]), meaning)
        for field, written, meaning in rows
        if is_number(run.result.get(field))
    ]
