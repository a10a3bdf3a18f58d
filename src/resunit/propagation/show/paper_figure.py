"""The measures by depth as a figure for paper, drawn with Matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.io.style import GREY
from resunit.propagation.show.panels import (
    MeasurePanel,
    has_heights,
    heights,
    needs_markers,
    note_of,
    panels_of,
    reason_of,
    undrawn_panels,
)
from resunit.propagation.show.stage_boundaries import stage_boundaries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from resunit.propagation.result import Propagation

DOTS_PER_INCH = 150
CHARACTERS_OF_A_REASON = 60  # in a line, as many as fit a panel
CHARACTERS_OF_A_LINE = 100  # of the notes below the panels of one measurement


def draw_paper_figure(results: Sequence[Propagation]) -> Figure:
    """Return the figure: a column for each measurement, a row for each panel."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = panels_of(results)
    figure = Figure(figsize=(6.4 * len(results) + 1.4, 2.1 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), len(results), squeeze=False, sharey="row", sharex="col")
    for row, panel in zip(grid, panels, strict=True):
        title = f"{panel.title} {note_of(panel, results)}".strip()
        for axes, result in zip(row, results, strict=True):
            _draw_panel(axes, panel, result, title)
        if len(panel.lines) > 1:  # The legend stands beside the row, where it covers no line.
            beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
            row[-1].legend(fontsize=8, frameon=False, handlelength=3, **beside)
        if panel.axis == "logarithmic":
            _set_plain_ticks(row[0])
    for axes, result in zip(grid[-1], results, strict=True):
        axes.set_xlabel(_horizontal_label(result))
        # Without this locator short axes would have ticks between junctions.
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10), min_n_ticks=1))
    if undrawn := undrawn_panels(results):
        width = CHARACTERS_OF_A_LINE * len(results)
        figure.supxlabel("\n".join(textwrap.fill(sentence, width) for sentence in undrawn), fontsize=8)
    return figure


def _draw_panel(axes: Axes, panel: MeasurePanel, result: Propagation, title: str) -> None:
    """Draw the lines of a panel for one measurement, or write why there are none."""
    for line in panel.lines:
        drawn = heights(result, line, panel)
        axes.plot(
            range(1, len(drawn) + 1), [math.nan if height is None else height for height in drawn],
            label=line.label, color=line.colour, linestyle="--" if line.dashed else "-",
            linewidth=1.4, marker="." if needs_markers(drawn) else "",
        )  # fmt: skip
    if not has_heights(result, panel):
        words = textwrap.fill(reason_of(panel, result), CHARACTERS_OF_A_REASON)
        axes.annotate(words, (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", fontsize=8)
    for place in stage_boundaries(result.junctions):
        axes.axvline(place, color=GREY, linestyle=":", linewidth=0.9, zorder=0)
    if panel.axis == "logarithmic":
        axes.set_yscale("log")
    elif panel.axis == "share":
        axes.set_ylim(0, 1)
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _horizontal_label(result: Propagation) -> str:
    between = "; dotted: between stages" if stage_boundaries(result.junctions) else ""
    return f"{'junction' if result.junctions else 'weight layer'} of {result.name}{between}"


def _set_plain_ticks(axes: Axes) -> None:
    """Write the numbers of a logarithmic axis as 0.01 or 100, and enough of them on a short axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    if high < 1000 * low:
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(
            MaxNLocator(5, steps=(1, 2, 5, 10))
            if high < 10 * low
            else LogLocator(subs=(1, 2, 5), numticks=20)
        )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
