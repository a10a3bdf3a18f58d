"""Charts as interactive figures for the page, and as pictures for Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resunit.io.figure_bytes import encode_figure
from resunit.io.style import COLOURS_OF_RUNS, lay_out
from resunit.reproduction.argument.formula import as_mathtext, with_indices
from resunit.reproduction.argument.shown import Chart, Line
from resunit.runs.read import is_finite

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PIXELS_OF_A_LEGEND_LINE = 22
MOST_PLACES_WITH_A_TICK_EACH = 10
HEIGHT_PIXELS = 300  # without the legend
DOTS_PER_INCH = 110


def interactive(chart: Chart) -> Figure:
    """Return the chart as a figure of Plotly; its title stands above it on the page."""
    from plotly.graph_objects import Figure

    figure = Figure()
    for line, colour, heights in _drawn(chart):
        figure.add_scatter(
            x=chart.across,
            y=heights,
            name=str(with_indices(line.label)),
            mode="lines+markers" if _has_lone_points(heights) else "lines",
            line={"color": colour, "width": 2, "dash": "dash" if line.dashed else "solid"},
            marker={"size": 5},
            hovertemplate="%{y:.3g}",
        )
    figure.update_xaxes(title_text=chart.horizontal, hoverformat="d", tickformat="d", title_standoff=6)
    if len(chart.across) <= MOST_PLACES_WITH_A_TICK_EACH:
        figure.update_xaxes(tickvals=chart.across)  # Otherwise there would be ticks between units.
    figure.update_yaxes(
        type="log" if chart.logarithmic else "linear", exponentformat="power", automargin=True, nticks=7
    )
    legend = PIXELS_OF_A_LEGEND_LINE * len(chart.lines)
    lay_out(
        figure,
        left=52,
        top=8 + legend,
        height=HEIGHT_PIXELS + legend,
        hovermode="x unified",
        showlegend=True,
        # One line of the legend for each line of the chart, above it, fits a narrow screen.
        legend={"orientation": "v", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def picture(chart: Chart) -> bytes:
    """Return the chart as a PNG, with its title."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawing = Figure(figsize=(7.5, 3.4 + 0.1 * len(chart.lines)), layout="constrained")
    axes = drawing.subplots()
    for line, colour, heights in _drawn(chart):
        axes.plot(
            chart.across,
            [float("nan") if height is None else height for height in heights],
            label=as_mathtext(line.label),
            color=colour,
            linestyle="--" if line.dashed else "-",
            marker="o" if _has_lone_points(heights) else None,
            markersize=3,
            linewidth=1.6,
        )
    if chart.logarithmic:
        axes.set_yscale("log")
    axes.set_xlabel(chart.horizontal)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(as_mathtext(chart.title), fontsize=10, loc="left")
    drawing.legend(loc="outside lower left", ncols=2, fontsize=9, frameon=False)
    return encode_figure(drawing, "png", DOTS_PER_INCH)


def _drawn(chart: Chart) -> list[tuple[Line, str, list[float | None]]]:
    """Return each line with its colour and the heights that its axis can show."""
    return [
        (
            line,
            colour,
            [
                height if is_finite(height) and (height > 0 or not chart.logarithmic) else None
                for height in line.heights
            ],
        )
        for line, colour in zip(chart.lines, COLOURS_OF_RUNS, strict=False)
    ]


def _has_lone_points(heights: list[float | None]) -> bool:
    """Return whether a point has no neighbour, so that a line alone would not show it; so few points show too."""
    present = [height is not None for height in (None, *heights, None)]
    around = zip(present, present[1:], present[2:], strict=False)
    return len(heights) <= MOST_PLACES_WITH_A_TICK_EACH or any(
        here and not (before or after) for before, here, after in around
    )
