"""A confusion matrix, as an interactive figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resunit.io.format import escape_markup
from resunit.io.style import BLUE, ORANGE, lay_out
from resunit.runs.confusion import Confusion

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# With more classes than this, the counts and the name of every class would not be legible.
MOST_LEGIBLE_CLASSES = 25

# With more classes than this, a cell would be smaller than two pixels and the page many times larger.
MOST_DRAWABLE_CLASSES = 250

LONGEST_NAME_IN_CHARACTERS = 16


def draw_confusion(confusion: Confusion) -> Figure | None:
    """Return the matrix with correct images in blue and mistakes in orange; None if it is too large.

    Each colour has a scale of its own, so that rare mistakes are seen beside many correct images.
    """
    from plotly.graph_objects import Figure

    if len(confusion.classes) > MOST_DRAWABLE_CLASSES:
        return None
    names = [escape_markup(name) for name in confusion.classes]
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion.counts]
    mistaken = [share for true, row in enumerate(shares) for share in row[:true] + row[true + 1 :]]
    legible = len(names) <= MOST_LEGIBLE_CLASSES
    figure = Figure()
    for colour, correct in ((BLUE, True), (ORANGE, False)):
        figure.add_heatmap(
            z=[
                [share if (true == predicted) == correct else None for predicted, share in enumerate(row)]
                for true, row in enumerate(shares)
            ],
            zmin=0,
            zmax=1 if correct else max(mistaken, default=0) or 1,
            colorscale=[[0, _fade(colour, 0)], [1, _fade(colour, 0.65)]],
            showscale=False,
            xgap=1 if legible else 0,
            ygap=1 if legible else 0,
            text=[[f"{count:,}" if count else "" for count in row] for row in confusion.counts],
            texttemplate="%{text}" if legible else None,
            customdata=[
                [
                    f"{true} → {predicted}<br>{count:,} images"
                    for predicted, count in zip(names, row, strict=True)
                ]
                for true, row in zip(names, confusion.counts, strict=True)
            ],
            hovertemplate="%{customdata}, %{z:.1%} of the class<extra></extra>",
        )
    labelled = range(0, len(names), -(-len(names) // MOST_LEGIBLE_CLASSES))
    axis = {
        "tickvals": list(labelled),
        "ticktext": [escape_markup(_shorten(confusion.classes[i])) for i in labelled],
        "tickfont_size": 11,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
    }
    figure.update_xaxes(title_text="predicted", autotickangles=[0, -45, -90], **axis)
    figure.update_yaxes(title_text="true", autorange="reversed", title_standoff=14, **axis)
    lay_out(figure, left=8, top=8, bottom=8)
    return figure


def _shorten(name: str) -> str:
    within = len(name) <= LONGEST_NAME_IN_CHARACTERS
    return name if within else f"{name[: LONGEST_NAME_IN_CHARACTERS - 1]}…"


def _fade(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
