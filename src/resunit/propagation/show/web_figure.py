"""The measures by depth as an interactive figure, drawn with Plotly."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.io.style import FONT
from resunit.propagation.show.panels import (
    MeasurePanel,
    heights,
    needs_markers,
    note_of,
    panels_of,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from resunit.propagation.result import Propagation

PANEL_HEIGHT_PIXELS = 250
TITLE_HEIGHT_PIXELS = 64  # of the three lines above a panel
MARGINS_PIXELS = {"l": 52, "r": 8, "t": TITLE_HEIGHT_PIXELS, "b": 44}
MOST_JUNCTIONS_WITH_A_TICK_EACH = 10


def web_figures(results: Sequence[Propagation]) -> list[Figure]:
    """Return a figure for each measurement; all have the same panels, with the same vertical axes."""
    panels = panels_of(results)
    ranges = [_vertical_range(panel, results) for panel in panels]
    titles = [_title(panel, results) for panel in panels]
    has_few = max(len(result.junctions) for result in results) <= MOST_JUNCTIONS_WITH_A_TICK_EACH
    return [_figure(result, panels, ranges, titles, has_few) for result in results]


def _figure(
    result: Propagation,
    panels: Sequence[MeasurePanel],
    ranges: Sequence[tuple[float, float] | None],
    titles: Sequence[str],
    has_few_junctions: bool,
) -> Figure:
    from plotly.subplots import make_subplots

    height = PANEL_HEIGHT_PIXELS * len(panels) + MARGINS_PIXELS["t"] + MARGINS_PIXELS["b"]
    figure = make_subplots(
        rows=len(panels),
        shared_xaxes=True,
        vertical_spacing=(TITLE_HEIGHT_PIXELS + 16) / (PANEL_HEIGHT_PIXELS * len(panels)),
        subplot_titles=titles,
    )
    names = [f"{html.escape(junction.name)} ({junction.kind})" for junction in result.junctions]
    for row, panel in enumerate(panels, start=1):
        for line in panel.lines:
            drawn = heights(result.junctions, line, panel)
            figure.add_scatter(
                x=list(range(1, len(drawn) + 1)),
                y=drawn,
                customdata=[getattr(junction, line.measure) for junction in result.junctions],
                name=line.label,
                text=names,
                hovertemplate=f"%{{text}}<br>{html.escape(line.label)} %{{customdata:.3g}}<extra></extra>",
                line={"color": line.colour, "width": 1.8, "dash": "dash" if line.dashed else "solid"},
                mode="lines+markers" if needs_markers(drawn) else "lines",
                marker={"size": 4},
                row=row,
                col=1,
            )
        kind = "log" if panel.axis == "logarithmic" else "linear"
        figure.update_yaxes(type=kind, exponentformat="power", range=ranges[row - 1], row=row)
    figure.update_xaxes(title_text="junction", row=len(panels))
    if has_few_junctions:
        figure.update_xaxes(dtick=1)  # Otherwise there would be ticks between junctions.
    # The titles begin at the left edge, above the numbers of the axis, so that they fit a narrow screen.
    figure.update_annotations(x=0, xshift=8 - MARGINS_PIXELS["l"], xanchor="left", align="left", font_size=12)
    figure.update_layout(
        template="none", font_family=FONT, height=height, margin=MARGINS_PIXELS, showlegend=False
    )
    return figure


def _vertical_range(panel: MeasurePanel, results: Sequence[Propagation]) -> tuple[float, float] | None:
    """Return the ends of a vertical axis, as exponents of 10 if it is logarithmic; None if it is empty."""
    if panel.axis == "share":
        return 0.0, 1.1  # The legend stands above the number 1.
    drawn = [
        height
        for result in results
        for line in panel.lines
        for height in heights(result.junctions, line, panel)
        if height is not None
    ]
    if not drawn:
        return None
    low, high = min(drawn), max(drawn)
    if panel.axis == "logarithmic":
        low, high = math.log10(low), math.log10(high)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _title(panel: MeasurePanel, results: Sequence[Propagation]) -> str:
    """Return the title of a panel in lines; the last one names the lines in their colours."""
    legend = ", ".join(
        f'<span style="color:{line.colour}">{"- -" if line.dashed else "—"} {html.escape(line.label)}</span>'
        for line in panel.lines
    )
    words = note_of(panel, results)
    note = f"<br>{words}" if words else ""
    return f"<b>{html.escape(panel.title)}</b>{note}<br>{legend}"
