"""The signal through the junctions of a network over the steps of training, as an interactive figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from resunit.io.format import escape_markup
from resunit.io.style import lay_out
from resunit.runs.read import is_finite
from resunit.runs.schema import PropagationLine

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class DrawnMeasure(NamedTuple):
    """A measure that is drawn.

    Attributes:
        name: an attribute of `propagation.Junction` or of `propagation.Layer`.
        title: the words above its heat map.
        logarithmic: whether the colours stand for powers of ten.
    """

    name: str
    title: str
    logarithmic: bool


DRAWN_MEASURES = (
    DrawnMeasure("gradient_gain", "Gradient, relative to the last junction or layer", logarithmic=True),
    DrawnMeasure("weight_gradient_gain", "Weight gradient, relative to the last layer", logarithmic=True),
    DrawnMeasure("signal_rms", "Signal after the layer, root mean square", logarithmic=True),
    DrawnMeasure("direct_gain", "Direct term, from the stage's end, h and f", logarithmic=True),
    DrawnMeasure("shortcut_gain", "Direct term through h alone", logarithmic=True),
    DrawnMeasure("stream_rms", "Stream, root mean square", logarithmic=True),
    DrawnMeasure("branch_share", "Branch, share of the sum of norms", logarithmic=False),
    DrawnMeasure("weight_input_rms", "First weight layer's input, root mean square", logarithmic=True),
    DrawnMeasure("branch_negative_share", "Branch, share below zero", logarithmic=False),
    DrawnMeasure("negative_share", "P(y < 0) after the addition", logarithmic=False),
    DrawnMeasure("energy_cut", "Energy cut after the addition", logarithmic=False),
    DrawnMeasure("gradient_blocked", "Gradient blocked after the addition", logarithmic=False),
    DrawnMeasure("cancellation_share", "Samples whose direct term is cancelled", logarithmic=False),
)

HEIGHT_OF_A_MEASURE_IN_PIXELS = 230


def draw_propagation(lines: Sequence[PropagationLine]) -> Figure | None:
    """Return a heat map of each measure by junction or weight layer and step; None if nothing was measured.

    A measure that the network does not have is left out. The lines are those of one run, in the order of the steps.
    """
    from plotly.subplots import make_subplots

    lines = [line for line in lines if any(measure.name in line.measures for measure in DRAWN_MEASURES)]
    if not lines:
        return None
    measures = [measure for measure in DRAWN_MEASURES if any(measure.name in line.measures for line in lines)]
    # One column suits a narrow screen too, and sets each step of one measure below the same step of another.
    rows = len(measures)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.2 / rows,
        subplot_titles=[measure.title for measure in measures],
    )
    steps, junctions = [line.step for line in lines], lines[-1].junctions
    for row, measure in enumerate(measures, 1):
        sizes = [_sizes_over_steps(lines, measure.name, i) for i in range(len(junctions))]
        low, high = figure.layout[f"yaxis{row}" if row > 1 else "yaxis"].domain  # pyright: ignore[reportAttributeAccessIssue]
        power = {"tickprefix": "10<sup>", "ticksuffix": "</sup>"} if measure.logarithmic else {}
        figure.add_heatmap(
            x=steps,
            y=list(range(1, len(junctions) + 1)),
            z=[[_decades(size) if measure.logarithmic else size for size in along] for along in sizes],
            customdata=[
                [_hover_text(name, size) for size in along]
                for name, along in zip(junctions, sizes, strict=True)
            ],
            hovertemplate="step %{x}<br>%{customdata}<extra></extra>",
            colorscale="Viridis",
            colorbar={"thickness": 9, "len": high - low, "y": (low + high) / 2, **power},
            row=row,
            col=1,
        )
    figure.update_annotations(font_size=13, x=0, xanchor="left")
    figure.update_xaxes(title_text="step", row=rows)
    has_layers = any("signal_rms" in line.measures for line in lines)
    figure.update_yaxes(title_text="weight layer" if has_layers else "junction")
    lay_out(figure, left=44, top=36, height=HEIGHT_OF_A_MEASURE_IN_PIXELS * rows)
    return figure


def _sizes_over_steps(lines: Sequence[PropagationLine], measure: str, junction: int) -> list[float | None]:
    """Return the absolute value of a measure at one junction, at the step of each line."""
    sizes: list[float | None] = []
    for line in lines:
        values = line.measures.get(measure, ())
        value = values[junction] if junction < len(values) else None
        sizes.append(abs(value) if is_finite(value) else None)
    return sizes


def _decades(size: float | None) -> float | None:
    return math.log10(size) if size else None


def _hover_text(junction: str, size: float | None) -> str:
    return f"{escape_markup(junction)}: {'none' if size is None else f'{size:.3g}'}"
