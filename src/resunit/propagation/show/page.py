"""The page of one or two measurements: the answer, the measures by depth, and a table of the junctions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from resunit.io.page import render_page
from resunit.propagation.show.absent_measures import describe_absences
from resunit.propagation.show.panels import MeasurePanel, note_of, panels_of
from resunit.propagation.show.place_table import make_place_table
from resunit.propagation.show.web_figure import draw_web_figures

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from resunit.propagation.result import Propagation


class PanelOnPage(NamedTuple):
    """A panel as the page shows it.

    Attributes:
        panel: the title and the lines.
        note: what the title adds about values that are not drawn at their own height, or "".
        figures: the name of a figure for each measurement.
    """

    panel: MeasurePanel
    note: str
    figures: tuple[str, ...]


def render_propagation_page(results: Sequence[Propagation]) -> str:
    """Return the page as HTML: one file that needs no internet connection."""
    figures: dict[str, Figure] = {}
    panels: list[PanelOnPage] = []
    for row, (panel, drawn) in enumerate(zip(panels_of(results), draw_web_figures(results), strict=True)):
        named = {f"measures{row}-{number}": figure for number, figure in enumerate(drawn)}
        figures |= named
        panels.append(PanelOnPage(panel, note_of(panel, results), tuple(named)))
    return render_page(
        "propagation.html",
        package="resunit.propagation.show",
        figures=figures,
        results=results,
        panels=panels,
        tables=[make_place_table(result) for result in results],
        absences=[describe_absences(result) for result in results],
    )
