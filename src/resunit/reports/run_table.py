"""The table of compared runs: one row a run, one column for each field of the recipe that differs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from resunit.io.format import format_count, format_duration, format_field_value, format_percent
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.reports.compared_run import ComparedRun, find_differing_fields, is_number
from resunit.runs.judged_images import FEWEST_IMAGES, FEWEST_IMAGES_A_CLASS
from resunit.runs.read import is_finite

COLUMNS_BEFORE_FIELDS = 4


def make_run_table(runs: Sequence[ComparedRun], page: Path | None = None) -> SortableTable:
    """Return the table of at least one run, the lowest error first; its cells are links only on a `page`."""
    differing = find_differing_fields(runs)
    splits_differ = len({run.split for run in runs}) > 1
    error = "error" if splits_differ else f"{runs[0].split} error"
    fields = ("recipe" if name == "name" else name.replace("_", " ") for name in differing)
    judged_on = ["judged on"] if splits_differ else []
    headings = ("run", "data", "model", "design", *fields, error, *judged_on, "best", "time", "status")
    in_order = sorted(runs, key=lambda run: (not is_finite(run.error), run.error or 0.0))
    rows = [
        (
            Cell(run.name, link=_link(run, page)),
            Cell(run.data or UNKNOWN),
            Cell(run.model),
            Cell(run.design or UNKNOWN),
            *(_field_cell(run, name) for name in differing),
            _error_cell(run.error),
            *([Cell(run.split)] if splits_differ else []),
            _error_cell(run.best_error),
            Cell(UNKNOWN) if run.seconds is None else Cell(format_duration(run.seconds), run.seconds),
            Cell(run.status),
        )
        for run in in_order
    ]
    return SortableTable(
        headings,
        rows,
        notes=tuple(_notes(runs)),
        sorted_by=headings.index(error),
        optional=range(COLUMNS_BEFORE_FIELDS, COLUMNS_BEFORE_FIELDS + len(differing)),
    )


def _field_cell(run: ComparedRun, name: str) -> Cell:
    if not run.states(name):
        return Cell(UNKNOWN)
    value = run.value(name)
    if is_number(value):
        return Cell(f"{value:g}" if isinstance(value, float) else str(value), float(value))
    return Cell(format_field_value(value))


def _error_cell(error: float | None) -> Cell:
    return Cell(format_percent(error), error) if is_finite(error) else Cell(UNKNOWN)


def _link(run: ComparedRun, page: Path | None) -> str | None:
    """Return the address of a run's page as seen from the page that shows the table."""
    if run.page is None or page is None:
        return None
    # A name with a colon before the first slash would read as a scheme, which "./" prevents.
    return "./" + quote(os.path.relpath(run.page, page.parent))


def _notes(runs: Sequence[ComparedRun]) -> Iterator[str]:
    yield (
        "The error is that of the last evaluation. The best is the lowest of the evaluations on all images; it is "
        "optimistic, because it was chosen by the images on which it was measured."
    )
    if any(run.split == "validation" for run in runs):
        yield "Validation errors are of images that were held out of training, not of a test set."
    if len({run.data for run in runs}) > 1:
        yield "Errors on different data are not comparable."
    if few := [run for run in runs if run.has_few_images]:
        names = ", ".join(f"{run.name} ({format_count(run.images or 0, 'image')})" for run in few)
        yield (
            f"Judged on few images, under {FEWEST_IMAGES} or under {FEWEST_IMAGES_A_CLASS} a class, so that no "
            f"conclusion can be drawn: {names}."
        )
