"""What is drawn of a measurement: its measures by depth, one panel below the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from resunit.io.style import BLUE, ORANGE

if TYPE_CHECKING:
    from resunit.propagation.junction import Junction
    from resunit.propagation.result import Propagation

# The smallest height on logarithmic axes. Zero is drawn at it, and smaller values would squeeze all others.
FLOOR = 1e-12

MOST_MARKED_JUNCTIONS = 40  # up to which each value of a line is marked


class MeasureLine(NamedTuple):
    """The line of one measure by depth.

    Attributes:
        measure: the attribute of `Junction`.
        label: the words of the legend.
        colour: a colour as in HTML.
        dashed: whether the line is dashed.
    """

    measure: str
    label: str
    colour: str
    dashed: bool = False


class MeasurePanel(NamedTuple):
    """Lines that share an axis.

    Attributes:
        title: the title.
        lines: the lines.
        axis: "logarithmic", "share" (from 0 to 1) or "linear".
    """

    title: str
    lines: tuple[MeasureLine, ...]
    axis: Literal["logarithmic", "share", "linear"]


PANELS = (
    MeasurePanel(
        "Stream: root mean square of y", (MeasureLine("stream_rms", "stream", BLUE),), "logarithmic"
    ),
    MeasurePanel(
        "Gradient, relative to the last junction",
        (
            MeasureLine("gradient_gain", "dE/dx", BLUE),
            MeasureLine("gradient_direct", "through the shortcut", ORANGE),
            MeasureLine("gradient_branch", "through the branch", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    MeasurePanel(
        "Direct path: running product over a stage",
        (
            MeasureLine("lambda_product", "of lambda", BLUE),
            MeasureLine("path_product", "of lambda and f", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    MeasurePanel(
        "Truncation by the activation after the addition",
        (
            MeasureLine("energy_cut", "energy cut", ORANGE),
            MeasureLine("negative_share", "P(y < 0)", BLUE),
            MeasureLine("gradient_blocked", "gradient blocked", ORANGE, dashed=True),
        ),
        "share",
    ),
    MeasurePanel(
        "Lesion: the loss without the branch, less the loss",
        (MeasureLine("loss_change", "lesion", BLUE),),
        "linear",
    ),
    MeasurePanel(
        "Jacobian of the junction: largest singular value",
        (MeasureLine("singular_value", "Jacobian", BLUE),),
        "logarithmic",
    ),
    MeasurePanel(
        "Correlation between samples: mean cosine",
        (MeasureLine("sample_correlation", "correlation", BLUE),),
        "linear",
    ),
)


def panels_of(results: Sequence[Propagation]) -> list[MeasurePanel]:
    """Return the panels to draw: the stream's, and those whose measures at least one network has."""
    measured = {
        line.measure
        for result in results
        for panel in PANELS
        for line in panel.lines
        if any(getattr(junction, line.measure) is not None for junction in result.junctions)
    }
    return [
        panel
        for panel in PANELS
        if panel is PANELS[0] or any(line.measure in measured for line in panel.lines)
    ]


def heights(junctions: Sequence[Junction], line: MeasureLine, panel: MeasurePanel) -> list[float | None]:
    """Return where to draw a measure at each junction; None is a gap.

    Values that are missing or not finite are gaps. On a logarithmic axis the sign is left out.
    """
    values = [getattr(junction, line.measure) for junction in junctions]
    finite = [None if value is None or not math.isfinite(value) else value for value in values]
    if panel.axis != "logarithmic":
        return finite
    return [None if value is None else max(abs(value), FLOOR) for value in finite]


def drawn_at_floor(panel: MeasurePanel, results: Sequence[Propagation]) -> bool:
    """Return whether a panel draws values at the floor of a logarithmic axis."""
    return any(FLOOR in heights(result.junctions, line, panel) for result in results for line in panel.lines)


FLOOR_NOTE = "(0, and what is below 1e-12, drawn there)"


def needs_markers(drawn: Sequence[float | None]) -> bool:
    """Return whether the values of a line are marked: if they are few, or if one stands between gaps."""
    gaps = [height is None for height in drawn]
    alone = any(not gap and all(gaps[max(0, i - 1) : i] + gaps[i + 1 : i + 2]) for i, gap in enumerate(gaps))
    return alone or len(drawn) <= MOST_MARKED_JUNCTIONS
