"""What is drawn of a measurement: its measures by depth, in panels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from resunit.propagation.junction import Junction
    from resunit.propagation.result import Propagation

BLUE, ORANGE = "#3b7dc4", "#e07b28"
FLOOR = 1e-12  # on logarithmic axes: zero is drawn here, and what is smaller would squeeze all others


class Line(NamedTuple):
    """One measure by depth."""

    measure: str
    label: str
    colour: str
    dashed: bool = False


class Panel(NamedTuple):
    title: str
    lines: tuple[Line, ...]
    axis: Literal["logarithmic", "share", "linear"]


PANELS = (
    Panel("Stream: root mean square of y", (Line("stream_rms", "stream", BLUE),), "logarithmic"),
    Panel(
        "Gradient, relative to the last junction",
        (
            Line("gradient_gain", "dE/dx", BLUE),
            Line("gradient_direct", "through the shortcut", ORANGE),
            Line("gradient_branch", "through the branch", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    Panel(
        "Direct path: running product over a stage",
        (
            Line("lambda_product", "of lambda", BLUE),
            Line("path_product", "of lambda and f", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    Panel(
        "Truncation by the activation after the addition",
        (
            Line("energy_cut", "energy cut", ORANGE),
            Line("negative_share", "P(y < 0)", BLUE),
            Line("gradient_blocked", "gradient blocked", ORANGE, dashed=True),
        ),
        "share",
    ),
    Panel(
        "Lesion: the loss without the branch, less the loss", (Line("loss_change", "lesion", BLUE),), "linear"
    ),
    Panel(
        "Jacobian of the junction: largest singular value",
        (Line("singular_value", "Jacobian", BLUE),),
        "logarithmic",
    ),
    Panel(
        "Correlation between samples: mean cosine",
        (Line("sample_correlation", "correlation", BLUE),),
        "linear",
    ),
)


def panels_of(networks: Sequence[Propagation]) -> list[Panel]:
    """Those with something in them: measures on request, and truncation, are not in every network."""
    measured = {
        line.measure
        for network in networks
        for panel in PANELS
        for line in panel.lines
        if any(getattr(junction, line.measure) is not None for junction in network.junctions)
    }
    return [
        panel
        for panel in PANELS
        if panel is PANELS[0] or any(line.measure in measured for line in panel.lines)
    ]


def values(junctions: Sequence[Junction], line: Line, panel: Panel) -> list[float | None]:
    """A measure by depth; what cannot be drawn is a gap. On a logarithmic axis only the size counts."""
    found = [getattr(junction, line.measure) for junction in junctions]
    finite = [None if v is None or not math.isfinite(v) else v for v in found]
    return (
        [None if v is None else max(abs(v), FLOOR) for v in finite] if panel.axis == "logarithmic" else finite
    )


def title_of(panel: Panel, networks: Sequence[Propagation]) -> str:
    """Says so where the panel draws values at the floor."""
    drawn = [
        value
        for network in networks
        for line in panel.lines
        for value in values(network.junctions, line, panel)
    ]
    return f"{panel.title} (0, and what is below 1e-12, drawn there)" if FLOOR in drawn else panel.title


def needs_markers(heights: Sequence[float | None]) -> bool:
    """Few values are marked; so are those between gaps, which no line would show."""
    gaps = [height is None for height in heights]
    alone = any(not gap and all(gaps[max(0, i - 1) : i] + gaps[i + 1 : i + 2]) for i, gap in enumerate(gaps))
    return alone or len(heights) <= 40
