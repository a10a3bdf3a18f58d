"""The font and the colours that all figures share; the style sheet page.css colours text, grid and background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# The fonts `--sans` of page.css: plotly measures texts before the style sheet reaches them.
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

BLUE = "#3b7dc4"
ORANGE = "#e07b28"
GREEN = "#4a9c5d"
RED = "#d1495b"
PURPLE = "#8f5fbf"
GREY = "#808890"

# One colour for each run; all of them can be read on white and on black.
COLOURS_OF_RUNS = (
    BLUE, ORANGE, GREEN, RED, PURPLE, "#9a6b4f", "#d673b0", GREY, "#a3a030", "#2fa6b5",
)  # fmt: skip

# With more evaluations than this, a marker on each would hide the line.
MOST_MARKERS = 50


def lay_out(figure: Figure, *, left: int, top: int, bottom: int = 44, **layout: Any) -> None:
    """Give a figure of plotly the common font, margins in pixels, and whatever `layout` says."""
    margin = {"l": left, "r": 8, "t": top, "b": bottom}
    figure.update_layout(template="none", font_family=FONT, margin=margin, **layout)
