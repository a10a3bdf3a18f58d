"""The measures by depth as interactive figures, drawn with Plotly: one for each panel and network."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resunit.io.format import escape_markup
from resunit.io.style import FONT, GREY
from resunit.propagation.show.panels import (
    MeasurePanel,
    has_heights,
    heights,
    needs_markers,
    panels_of,
    reason_of,
)  # fmt: skip
from resunit.propagation.show.stage_boundaries import stage_boundaries

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from resunit.propagation.result import Propagation

HEIGHT_PIXELS = 240
CHARACTERS_OF_A_REASON = 20  # in a line, as many as fit a panel of half a telephone's width
MARGINS_PIXELS = {"l": 44, "r": 6, "t": 10, "b": 40}
DECADES_OF_A_SHORT_AXIS = 2
FEWEST_TICKS, MOST_TICKS = 3, 5
MOST_PLACES_WITH_A_TICK_EACH = 10


def draw_web_figures(results: Sequence[Propagation]) -> list[list[Figure]]:
    """Return for each panel a figure for each measurement; the figures of a panel have one vertical axis."""
    has_few = max(len(result.places) for result in results) <= MOST_PLACES_WITH_A_TICK_EACH
    rows = []
    for panel in panels_of(results):
        ends = _vertical_range(panel, results)
        rows.append([_figure(result, panel, ends, has_few) for result in results])
    return rows


def _figure(
    result: Propagation,
    panel: MeasurePanel,
    vertical_range: tuple[float, float] | None,
    has_few_places: bool,
) -> Figure:
    from plotly.graph_objects import Figure

    figure = Figure()
    names = [f"{escape_markup(name)} ({kind})" for name, kind in _names_and_kinds(result)]
    for line in panel.lines:
        drawn = heights(result, line, panel)
        figure.add_scatter(
            x=list(range(1, len(drawn) + 1)),
            y=drawn,
            customdata=[getattr(place, line.measure, None) for place in result.places],
            name=line.label,
            text=names,
            hovertemplate=f"%{{text}}<br>{escape_markup(line.label)} %{{customdata:.3g}}<extra></extra>",
            line={"color": line.colour, "width": 1.8, "dash": "dash" if line.dashed else "solid"},
            mode="lines+markers" if needs_markers(drawn) else "lines",
            marker={"size": 4},
        )
    for place in stage_boundaries(result.junctions):
        figure.add_vline(place, line={"color": GREY, "width": 1, "dash": "dot"})
    if not has_heights(result, panel):
        reason = escape_markup(reason_of(panel, result))
        words = "<br>".join(textwrap.wrap(reason, CHARACTERS_OF_A_REASON))
        figure.add_annotation(text=words, xref="paper", yref="paper", x=0.5, y=0.5, showarrow=False)
    if panel.axis == "logarithmic":
        ticks = {} if vertical_range is None else _ticks_of_short_axis(*vertical_range)
        figure.update_yaxes(type="log", exponentformat="power", **ticks)
    figure.update_yaxes(range=vertical_range, nticks=6)
    figure.update_xaxes(
        title={"text": "junction" if result.junctions else "weight layer", "standoff": 4},
        range=(0.5, len(result.places) + 0.5),
        zeroline=False,
        dtick=1 if has_few_places else None,  # Otherwise there would be ticks between junctions.
    )
    figure.update_layout(
        template="none", font_family=FONT, height=HEIGHT_PIXELS, margin=MARGINS_PIXELS, showlegend=False
    )
    return figure


def _names_and_kinds(result: Propagation) -> list[tuple[str, str]]:
    of_junctions = [(junction.name, junction.kind) for junction in result.junctions]
    return of_junctions or [(layer.name, layer.function) for layer in result.layers]


def _vertical_range(panel: MeasurePanel, results: Sequence[Propagation]) -> tuple[float, float] | None:
    """Return the ends of a vertical axis, as exponents of 10 if it is logarithmic; None if it is empty."""
    if panel.axis == "share":
        return 0.0, 1.05
    drawn = [
        height
        for result in results
        for line in panel.lines
        for height in heights(result, line, panel)
        if height is not None
    ]
    if not drawn:
        return None
    low, high = min(drawn), max(drawn)
    if panel.axis == "logarithmic":
        low, high = math.log10(low), math.log10(high)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks_of_short_axis(low: float, high: float) -> dict[str, Any]:
    """Return the ticks of a logarithmic axis of few decades; by themselves Plotly's would read 5 for 0.5.

    Args:
        low: the exponent of 10 at the lower end.
        high: the exponent at the upper end.
    """
    if high - low > DECADES_OF_A_SHORT_AXIS:
        return {}
    decades = range(math.floor(low), math.ceil(high) + 1)
    values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    values = [value for value in values if low <= math.log10(value) <= high]
    if len(values) < FEWEST_TICKS:
        step = 10.0 ** math.floor(math.log10((10**high - 10**low) / 2))
        values = [
            number * step for number in range(math.ceil(10**low / step), math.floor(10**high / step) + 1)
        ]
        values = values[:: max(1, len(values) // MOST_TICKS)]
    return {"tickvals": values, "ticktext": [f"{value:.4g}" for value in values]}
