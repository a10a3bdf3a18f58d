"""The page of many runs: ordinary runs beside each other, the paper's tables and claims, curves, spread and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_high
from typing import TYPE_CHECKING

from markupsafe import Markup

from resunit.io.page import render_page
from resunit.io.sortable_table import SortableTable
from resunit.io.style import BLUE, lay_out
from resunit.reports.costs import Cost
from resunit.reports.curves import Plot, draw_interactive_curves
from resunit.reports.paper_comparison import PaperComparison, VerdictRow
from resunit.reports.runs_comparison import RunsComparison

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def render_runs_page(
    title: str,
    *,
    comparisons: Sequence[PaperComparison] = (),
    claims: Sequence[VerdictRow] = (),
    tally: str = "",
    later: Sequence[VerdictRow] = (),
    about_later: str = "",
    plots: Sequence[Plot] = (),
    spread: Mapping[str, Sequence[float]] | None = None,
    costs: Sequence[Cost] = (),
    units: Sequence[str] = (),
    compared: RunsComparison | None = None,
    measurements: SortableTable | None = None,
    recorded: SortableTable | None = None,
) -> str:
    """Return the page of many runs as HTML; a part that is empty is left out.

    Args:
        title: the page's title.
        comparisons: the paper's tables beside what was measured here.
        claims: the paper's claims and the verdicts on them.
        tally: how many claims held.
        later: designs later than the paper beside its units, with the verdicts.
        about_later: what these verdicts are.
        plots: the training curves.
        spread: the test errors in percent of each seed, by network and setting.
        costs: the time and the arithmetic that the runs took.
        units: the SVG of a residual unit of each design, which the page shows as it is.
        compared: the ordinary runs beside each other.
        measurements: the measurements of benchmarks.
        recorded: the recorded runs of the paper's tables.
    """
    figures: dict[str, Figure] = {
        f"curves{i}": draw_interactive_curves(plot.panels) for i, plot in enumerate(plots)
    }
    if compared is not None:
        figures |= compared.figures()
    if spread:
        figures["spread"] = draw_spread(spread)
    return render_page(
        "runs.html",
        package="resunit.reports",
        figures=figures,
        title=title,
        comparisons=comparisons,
        claims=claims,
        tally=tally,
        later=later,
        about_later=about_later,
        plots=plots,
        costs=costs,
        units=[Markup(unit) for unit in units],
        hours=sum(cost.hours for cost in costs),
        compared=compared,
        measurements=measurements,
        recorded=recorded,
    )


def draw_spread(spread: Mapping[str, Sequence[float]]) -> Figure:
    """Return a figure with a line for each network and setting and a dot for each seed; the lowest median is on top."""
    from plotly.graph_objects import Figure

    order = sorted(spread, key=lambda name: median_high(spread[name]), reverse=True)
    figure = Figure()
    figure.add_scatter(
        x=[error for name in order for error in spread[name]],
        y=[name for name in order for _ in spread[name]],
        mode="markers",
        marker={"size": 9, "color": BLUE, "opacity": 0.75},
        hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
    )
    figure.update_xaxes(title_text="test error (%)")
    figure.update_yaxes(automargin=True, tickfont_size=11, showgrid=True)
    lay_out(figure, left=8, top=8, height=90 + 24 * len(order), showlegend=False)
    return figure
