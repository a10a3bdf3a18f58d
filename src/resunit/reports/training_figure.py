"""The training curves of one run, as an interactive figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resunit.io.style import BLUE, GREY, MOST_MARKERS, lay_out
from resunit.runs.read import is_finite
from resunit.runs.schema import LogLine, SplitName

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def draw_training(log: Sequence[LogLine], split: SplitName) -> Figure:
    """Return error, loss and learning rate against the epoch, below each other.

    Errors and losses on training images are dashed; the paper draws only the training loss dashed. The legend names
    each kind of line once; a click on a name hides its lines. The log has at least one evaluation, on the images of
    `split`.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.09,
        row_heights=[0.5, 0.3, 0.2],
        subplot_titles=["Error (%)", "Loss", "Learning rate"],
    )
    epochs = [entry.epoch for entry in log]

    def draw(row: int, values: Sequence[float | None], name: str, kind: str, line: Mapping[str, Any]) -> None:
        figure.add_scatter(
            legendgroup=kind,
            showlegend=row != 2,
            x=epochs, y=[value if is_finite(value) else None for value in values], name=name, row=row, col=1,
            mode="lines+markers" if len(log) <= MOST_MARKERS else "lines", marker_size=5, line=line,
            hovertemplate="%{y:.4~g}",
        )  # fmt: skip

    evaluated = {"color": BLUE, "width": 2.5}
    trained = {"color": BLUE, "width": 1.5, "dash": "dash"}
    rate = {"color": GREY, "width": 1.5}
    draw(1, [entry.error for entry in log], f"{split} error", split, evaluated)
    draw(1, [entry.train_error for entry in log], "training error", "training", trained)
    draw(2, [entry.loss for entry in log], f"{split} loss", split, evaluated)
    draw(2, [entry.train_loss for entry in log], "training loss", "training", trained)
    draw(3, [entry.learning_rate for entry in log], "learning rate", "learning rate", rate)
    figure.update_annotations(x=0, xanchor="left", yshift=6, font_size=14)
    figure.update_xaxes(title_text="epoch", row=3, col=1)
    figure.update_xaxes(unifiedhovertitle_text="epoch %{x:.4~g}")
    figure.update_yaxes(rangemode="tozero")
    legend = {"orientation": "h", "x": 0, "y": -0.08, "yanchor": "top"}
    lay_out(figure, left=44, top=36, height=790, hovermode="x unified", legend=legend)
    return figure
