"""The page of one run: its numbers, what they mean, and how to repeat them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resunit.io.atomic import write_atomically
from resunit.io.format import in_words, percent
from resunit.io.page import render_page
from resunit.reports.command import command
from resunit.reports.figures import (
    DRAWABLE_CLASSES,
    PROPAGATION,
    confusion_matrix,
    propagation,
    training_curves,
)
from resunit.reports.findings import findings
from resunit.reports.headline import headline, measures
from resunit.runs.read import read_run

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def write_run_page(folder: Path) -> Path:
    """Write ``report.html`` from the records in a run's folder."""
    run = read_run(folder)
    figures: dict[str, Figure] = {}
    if run.log:
        figures["curves"] = training_curves(run.log, run.split)
    if measured := [line for line in run.propagation if PROPAGATION.keys() & line.keys()]:
        figures["propagation"] = propagation(measured)
    if run.confusion and len(run.confusion.classes) <= DRAWABLE_CLASSES:
        figures["confusion"] = confusion_matrix(run.confusion)
    page = render_page(
        "run.html",
        figures=figures,
        run=run,
        headline=headline(run),
        measures=measures(run),
        findings=findings(run),
        hardest=run.confusion.hardest_first()[:10] if run.confusion else [],
        percent=percent,
        in_words=in_words,
        command=command(run.recipe),
    )
    path = folder / "report.html"
    write_atomically(path, page.encode())
    return path
