"""Interactive figures. The page's style sheet colours text, grid and background, for light and for dark."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

from resunit.runs.confusion import Confusion
from resunit.runs.read import is_number

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# As in page.css; plotly measures text before the style sheet reaches it.
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

BLUE = "#3b7dc4"
ORANGE = "#e07b28"

# Above this many classes, counts and every class's name would no longer be legible.
LEGIBLE_CLASSES = 25

# Above this many, a cell would be smaller than two pixels and the page many times larger.
DRAWABLE_CLASSES = 250


def training_curves(log: list[dict[str, Any]], split: str) -> Figure:
    """Error, loss and learning rate against epoch; training dashed. The paper dashes training loss only."""
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.09,
        row_heights=[0.5, 0.3, 0.2],
        subplot_titles=[f"Error (%); solid: {split}, dashed: training", "Loss", "Learning rate"],
    )
    epochs = [line.get("epoch") for line in log]

    def draw(row: int, field: str, name: str, **style: Any) -> None:
        values = [line.get(field) if is_number(line.get(field)) else None for line in log]
        mode = "lines+markers" if len(log) <= 50 else "lines"
        figure.add_scatter(
            x=epochs, y=values, name=name, mode=mode, marker_size=5, row=row, col=1, line=style,
            hovertemplate="%{y:.4~g}",
        )  # fmt: skip

    draw(1, f"{split}_error", f"{split} error", color=BLUE, width=2.5)
    draw(1, "train_error", "training error", color=BLUE, width=1.5, dash="dash")
    draw(2, f"{split}_loss", f"{split} loss", color=BLUE, width=2.5)
    draw(2, "train_loss", "training loss", color=BLUE, width=1.5, dash="dash")
    draw(3, "learning_rate", "learning rate", color="#808890", width=1.5)
    figure.update_annotations(x=0, xanchor="left", yshift=6, font_size=14)
    figure.update_xaxes(title_text="epoch", row=3, col=1)
    figure.update_xaxes(unifiedhovertitle_text="epoch %{x:.4~g}")
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(
        template="none",
        font_family=FONT,
        height=760,
        showlegend=False,
        hovermode="x unified",
        margin={"l": 44, "r": 8, "t": 36, "b": 44},
    )
    return figure


PROPAGATION = {  # measure -> its title, and whether its size is what counts
    "gradient_gain": ("Gradient, relative to the last junction", True),
    "gradient_direct": ("Gradient through the shortcut", True),
    "stream_rms": ("Stream, root mean square", True),
    "branch_share": ("Branch, share of the sum of norms", False),
    "lambda_product": ("Product of lambda over a stage", True),
    "energy_cut": ("Energy cut after the addition", False),
}


def propagation(lines: list[dict[str, Any]]) -> Figure:
    """The measures by depth over the steps; those that a network does not have are left out."""
    from plotly.subplots import make_subplots

    measures = {name: words for name, words in PROPAGATION.items() if any(name in line for line in lines)}
    rows = -(-len(measures) // 2)
    figure = make_subplots(
        rows=rows,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.3 / rows,
        horizontal_spacing=0.16,
        subplot_titles=[title for title, _ in measures.values()],
    )
    steps, names = [line.get("step") for line in lines], lines[-1].get("junctions", [])
    for place, (measure, (_, logarithmic)) in enumerate(measures.items()):
        row, column = divmod(place, 2)
        columns = [[_size(value) for value in line.get(measure, [])] for line in lines]
        heights = [[column[i] if i < len(column) else None for column in columns] for i in range(len(names))]
        bar = {"len": 0.8 / rows, "y": 1 - (row + 0.5) / rows, "x": 0.42 if column == 0 else 1.0}
        figure.add_heatmap(
            x=steps,
            y=list(range(1, len(names) + 1)),
            z=[[_decades(v) if logarithmic else v for v in along] for along in heights],
            customdata=[[_words(names[i], v) for v in along] for i, along in enumerate(heights)],
            hovertemplate="step %{x}<br>%{customdata}<extra></extra>",
            colorscale="Viridis",
            colorbar={"thickness": 9, **bar, "tickprefix": "10^" if logarithmic else ""},
            row=row + 1,
            col=column + 1,
        )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_text="step", row=rows)
    figure.update_yaxes(title_text="junction", col=1)
    figure.update_layout(
        template="none",
        font_family=FONT,
        height=270 * rows,
        margin={"l": 44, "r": 8, "t": 36, "b": 44},
    )
    return figure


def _size(value: object) -> float | None:
    return abs(value) if is_number(value) else None


def _decades(value: float | None) -> float | None:
    return math.log10(value) if value else None


def _words(name: str, value: float | None) -> str:
    return f"{_literal(name)}: {'none' if value is None else f'{value:.3g}'}"


def confusion_matrix(confusion: Confusion) -> Figure:
    """Correct images in blue, mistakes in orange, on scales of their own so that both are seen."""
    from plotly.graph_objects import Figure

    names = [_literal(name) for name in confusion.classes]
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion.counts]
    mistaken = [share for true, row in enumerate(shares) for share in row[:true] + row[true + 1 :]]
    legible = len(names) <= LEGIBLE_CLASSES
    figure = Figure()
    for colour, correct in ((BLUE, True), (ORANGE, False)):
        figure.add_heatmap(
            z=[
                [share if (true == predicted) == correct else None for predicted, share in enumerate(row)]
                for true, row in enumerate(shares)
            ],
            zmin=0,
            zmax=1 if correct else max(mistaken, default=0) or 1,
            colorscale=[[0, _faded(colour, 0)], [1, _faded(colour, 0.65)]],
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
    labelled = range(0, len(names), -(-len(names) // LEGIBLE_CLASSES))
    axis = {
        "tickvals": list(labelled),
        "ticktext": [_literal(_short(confusion.classes[i])) for i in labelled],
        "tickfont_size": 11,
        "ticks": "",
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
    }
    figure.update_xaxes(title_text="predicted", autotickangles=[0, -45, -90], **axis)
    figure.update_yaxes(title_text="true", autorange="reversed", title_standoff=14, **axis)
    figure.update_layout(template="none", font_family=FONT, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    return figure


def _literal(name: str) -> str:
    """A class name as plotly shall show it: unescaped, plotly reads tags in text as markup."""
    return html.escape(name, quote=False)


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
