"""The page of one run: its numbers, what they mean, and how to repeat the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from resunit.io.atomic import write_atomically
from resunit.io.fields import to_json
from resunit.io.format import field_value, percent
from resunit.io.page import render_page
from resunit.reports.command import repeat_command, spelled_out_command
from resunit.reports.confusion_figure import confusion_figure
from resunit.reports.key_numbers import further_numbers, main_number
from resunit.reports.propagation_figure import propagation_figure
from resunit.reports.run_findings import findings_about
from resunit.reports.training_figure import training_figure
from resunit.runs.confusion import ClassError
from resunit.runs.read import Run, read_run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HARDEST_CLASSES_SHOWN = 10


def write_run_page(folder: Path, unit: str = "") -> Path:
    """Write ``report.html`` from the records in a run's folder, and return its path.

    Args:
        folder: the run's folder.
        unit: the SVG of the residual unit that the run trained, which the page shows as it is.

    Raises:
        RunError: the folder is not a run's, or the run has no result yet.
        FileFormatError: a record is damaged or of a newer format; the message names the file.
        WriteError: the page cannot be written.
    """
    path = folder / "report.html"
    write_atomically(path, run_page(read_run(folder), unit).encode())
    return path


def run_page(run: Run, unit: str = "") -> str:
    """Return the page of one run as HTML; `unit` is the SVG of its residual unit."""
    return render_page(
        "run.html",
        package="resunit.reports",
        figures=_figures(run),
        unit=Markup(unit),
        run=run,
        main_number=main_number(run),
        further_numbers=further_numbers(run),
        findings=findings_about(run),
        hardest=_hardest_classes(run),
        repeat_command=repeat_command(run.folder),
        spelled_out_command=spelled_out_command(run.recipe),
        recipe=_without_format(run.recipe),
        environment=_without_format(to_json(run.environment)) if run.environment else {},
        percent=percent,
        field_value=field_value,
    )


def _hardest_classes(run: Run) -> list[ClassError]:
    """Return the classes with the highest errors; none where few images were judged."""
    if run.confusion is None or run.is_judged_on_few or run.rare_classes:
        return []
    return run.confusion.hardest_first()[:HARDEST_CLASSES_SHOWN]


def _figures(run: Run) -> dict[str, Figure]:
    figures = {
        "curves": training_figure(run.log, run.watched) if run.log else None,
        "propagation": propagation_figure(run.propagation),
        "confusion": confusion_figure(run.confusion) if run.confusion else None,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _without_format(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "format"}
