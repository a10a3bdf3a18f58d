"""The page of one run: its numbers, the findings about them, and the command that repeats the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from resunit.io.atomic import write_atomically
from resunit.io.fields import to_json
from resunit.io.format import format_count, format_field_value, format_percent, format_time
from resunit.io.page import render_page
from resunit.io.places import user_path
from resunit.reports.calibration_figure import draw_calibration
from resunit.reports.class_tables import make_error_table, make_score_table
from resunit.reports.command import repeat_command, spell_out_command
from resunit.reports.confusion_figure import draw_confusion
from resunit.reports.key_numbers import select_further_numbers, select_main_number
from resunit.reports.propagation_figure import draw_propagation
from resunit.reports.propagation_verdicts import select_verdicts
from resunit.reports.run_findings import find_in_run
from resunit.reports.run_settings import select_settings
from resunit.reports.training_figure import draw_training
from resunit.runs.read import Run, read_run
from resunit.runs.schema import Environment, Prediction

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def write_run_page(folder: Path, unit: str = "", named_recipe: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` from the records in a run's folder, and return its path.

    Args:
        folder: the run's folder.
        unit: the SVG of the residual unit that the run trained, which the page shows as it is.
        named_recipe: the recipe that the run started from, as a JSON object; the page shows first what differs.

    Raises:
        RunError: the folder is not a run's, or the run has no result yet.
        FileFormatError: a record is damaged or of a newer format; the message names the file.
        WriteError: the page cannot be written.
    """
    folder = user_path(folder)
    path = folder / "report.html"
    write_atomically(path, render_run_page(read_run(folder), unit, named_recipe).encode())
    return path


def render_run_page(run: Run, unit: str = "", named_recipe: Mapping[str, Any] | None = None) -> str:
    """Return the page of one run as HTML; see `write_run_page`."""
    return render_page(
        "run.html",
        package="resunit.reports",
        figures=_figures(run),
        unit=Markup(unit),
        run=run,
        main_number=select_main_number(run),
        further_numbers=select_further_numbers(run),
        findings=find_in_run(run),
        verdicts=select_verdicts(run.propagation),
        classes=make_error_table(run.confusion) if run.confusion else None,
        scores=make_score_table(run.confusion) if run.confusion else None,
        pictures=_with_own_image(run.evaluation.predictions if run.evaluation else ()),
        mistakes=_with_own_image(run.evaluation.mistakes if run.evaluation else ()),
        repeat_command=repeat_command(run.folder),
        spelled_out_command=spell_out_command(run.recipe),
        settings=select_settings(run.recipe, named_recipe),
        when=format_time(run.environment.started) if run.environment and run.environment.started else None,
        environment=_environment(run.environment) if run.environment else {},
        format_percent=format_percent,
        format_count=format_count,
        format_field_value=format_field_value,
    )


def _figures(run: Run) -> dict[str, Figure]:
    calibration = run.evaluation.calibration if run.evaluation else None
    figures = {
        "curves": draw_training(run.log, run.watched) if run.log else None,
        "propagation": draw_propagation(run.propagation),
        "calibration": draw_calibration(calibration) if calibration and not run.has_few_images else None,
        "confusion": draw_confusion(run.confusion) if run.confusion else None,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _with_own_image(answers: Sequence[Prediction]) -> list[Prediction]:
    """Return the answers whose image is part of the record, because a page fetches nothing."""
    return [answer for answer in answers if answer.image.startswith("data:image/")]


def _environment(environment: Environment) -> dict[str, Any]:
    """Return where the run happened, as a table shows it; fields that old records lack are left out."""
    record = to_json(environment)
    shown_elsewhere, optional = ("format", "command", "recipe"), ("started", "host")
    shown = {name: value for name, value in record.items() if name not in shown_elsewhere}
    if environment.started is not None:
        shown["started"] = format_time(environment.started)
    return {name: value for name, value in shown.items() if value is not None or name not in optional}
