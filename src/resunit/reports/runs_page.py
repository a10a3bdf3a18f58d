"""The page of many runs: the paper's tables and findings beside them, curves, spread, time and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resunit.io.page import render_page
from resunit.reports.comparison import Comparison, Finding
from resunit.reports.costs import Cost
from resunit.reports.curves import COLOURS, Plot, interactive_curves
from resunit.reports.figures import FONT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def runs_page(
    title: str,
    comparisons: Sequence[Comparison],
    findings: Sequence[Finding],
    tally: str,
    plots: Sequence[Plot],
    spread: Mapping[str, Sequence[float]],
    costs: Sequence[Cost],
) -> str:
    """The page as HTML; `tally` counts `findings`, `spread` has test errors by network and setting."""
    drawn: dict[str, Figure] = {f"curves{i}": interactive_curves(p.panels) for i, p in enumerate(plots)}
    if spread:
        drawn["spread"] = seeds_figure(spread)
    return render_page(
        "runs.html",
        figures=drawn,
        title=title,
        comparisons=comparisons,
        findings=findings,
        tally=tally,
        plots=plots,
        costs=costs,
        hours=sum(cost.hours for cost in costs),
    )


def seeds_figure(spread: Mapping[str, Sequence[float]]) -> Figure:
    """Each seed's test error as a dot, a line a network, the best median on top."""
    from plotly.graph_objects import Figure

    order = sorted(spread, key=lambda name: sorted(spread[name])[len(spread[name]) // 2], reverse=True)
    figure = Figure()
    figure.add_scatter(
        x=[error for name in order for error in spread[name]],
        y=[name for name in order for _ in spread[name]],
        mode="markers",
        marker={"size": 9, "color": COLOURS[0], "opacity": 0.75},
        hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
    )
    figure.update_xaxes(title_text="test error (%)")
    figure.update_yaxes(automargin=True, tickfont_size=11, showgrid=True)
    figure.update_layout(
        template="none",
        font_family=FONT,
        height=90 + 24 * len(order),
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 8, "b": 44},
    )
    return figure
