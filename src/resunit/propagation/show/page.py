"""The page of one or two measurements: findings, and the measures by depth to zoom into and point at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.io.page import render_page
from resunit.propagation.show.web_figure import web_figures

if TYPE_CHECKING:
    from resunit.propagation.result import Propagation


def propagation_page(results: Sequence[Propagation]) -> str:
    """Return the page as HTML: one file that needs no internet connection."""
    figures = {f"measures{number}": figure for number, figure in enumerate(web_figures(results))}
    return render_page(
        "propagation.html",
        package="resunit.propagation.show",
        figures=figures,
        measurements=list(zip(results, figures, strict=True)),
    )
