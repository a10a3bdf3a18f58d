"""What is drawn of a measurement: its measures by depth, one panel below the other.

A network without junctions is drawn by its weight layers, so that it can stand beside one with junctions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from resunit.io.style import BLUE, ORANGE
from resunit.propagation.junction import MEASURES
from resunit.propagation.layer import LAYER_MEASURES
from resunit.propagation.measures.reasons import ON_REQUEST

if TYPE_CHECKING:
    from resunit.propagation.junction import Junction
    from resunit.propagation.layer import Layer
    from resunit.propagation.result import Propagation

    Places = Sequence[Junction | Layer]

# The smallest height on logarithmic axes. Zero is drawn at it, and smaller values would squeeze all others.
FLOOR = 1e-12

FARTHEST = 2.0  # from 0, on axes near -1: where the direct term is small the ratio can be any number

MOST_MARKED_JUNCTIONS = 40  # up to which each value of a line is marked


class MeasureLine(NamedTuple):
    """The line of one measure by depth.

    Attributes:
        measure: the attribute of `Junction` or of `Layer`.
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
        axis: "logarithmic", "share" (from 0 to 1), "linear", or "near -1" (values beyond -2 and 2 are drawn
            there).
    """

    title: str
    lines: tuple[MeasureLine, ...]
    axis: Literal["logarithmic", "share", "linear", "near -1"]


PANELS = (
    MeasurePanel(
        "Signal: root mean square",
        (
            MeasureLine("stream_rms", "stream y", BLUE),
            MeasureLine("signal_rms", "what a weight layer returns", BLUE),
        ),
        "logarithmic",
    ),
    MeasurePanel(
        "Gradient, relative to the last junction or layer",
        (
            MeasureLine("gradient_gain", "gradient", BLUE),
            MeasureLine("gradient_direct", "through the shortcut", ORANGE),
            MeasureLine("gradient_branch", "through the branch", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    MeasurePanel(
        "Gradient of the weights over their size, relative to the last layer",
        (MeasureLine("weight_gradient_gain", "dE/dW", BLUE),),
        "logarithmic",
    ),
    MeasurePanel(
        "Direct term, from the end of the stage",
        (
            MeasureLine("shortcut_gain", "through h alone", BLUE),
            MeasureLine("direct_gain", "through h and f", ORANGE, dashed=True),
        ),
        "logarithmic",
    ),
    MeasurePanel(
        "Cancellation: <rest, direct> / <direct, direct>",
        (
            MeasureLine("cancellation_min", "smallest sample", ORANGE),
            MeasureLine("cancellation_median", "median", BLUE),
        ),
        "near -1",
    ),
    MeasurePanel(
        "Input of the branch's first weight layer",
        (
            MeasureLine("weight_input_rms", "root mean square", BLUE),
            MeasureLine("weight_input_mean", "mean", ORANGE),
            MeasureLine("weight_input_spread", "channel spread", ORANGE, dashed=True),
        ),
        "linear",
    ),
    MeasurePanel(
        "Sign of the branch: share of F below zero",
        (MeasureLine("branch_negative_share", "F < 0", BLUE),),
        "share",
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
    """Return the panels to draw: the signal's, and those whose measures at least one network has."""
    measured = {
        line.measure
        for result in results
        for panel in PANELS
        for line in panel.lines
        if any(getattr(place, line.measure, None) is not None for place in result.places)
    }
    has_junctions, has_layers = (
        any(result.junctions for result in results), any(result.layers for result in results),
    )  # fmt: skip

    def applies(line: MeasureLine) -> bool:
        return (has_junctions and line.measure in MEASURES) or (has_layers and line.measure in LAYER_MEASURES)

    return [
        panel._replace(lines=tuple(filter(applies, panel.lines)))
        for panel in PANELS
        if panel is PANELS[0] or any(line.measure in measured for line in panel.lines)
    ]


def undrawn_panels(results: Sequence[Propagation]) -> list[str]:
    """Return a sentence for each panel that is not drawn, with the reason; none for measures on request."""
    drawn = {panel.title for panel in panels_of(results)}
    return [
        f"not drawn: {panel.title} ({reason})"
        for panel in PANELS
        if panel.title not in drawn and panel.lines[0].measure not in ON_REQUEST
        if (reason := _most_frequent_reason(panel, [place for result in results for place in result.places]))
        is not None
    ]


def reason_of(panel: MeasurePanel, result: Propagation) -> str:
    """Return why a network has nothing to draw in a panel."""
    if not any(hasattr(place, line.measure) for place in result.places for line in panel.lines):
        return "of networks without junctions alone" if result.junctions else "the network has no junction"
    return _most_frequent_reason(panel, result.places) or "not measured"


def _most_frequent_reason(panel: MeasurePanel, places: Places) -> str | None:
    """Return the most frequent reason why measures of a panel are absent; None if none is known."""
    reasons = Counter(
        place.absent[line.measure] for place in places for line in panel.lines if line.measure in place.absent
    )
    return reasons.most_common(1)[0][0] if reasons else None


def heights(result: Propagation, line: MeasureLine, panel: MeasurePanel) -> list[float | None]:
    """Return where to draw a measure at each junction or layer; None is a gap.

    Values that are missing or not finite are gaps. On a logarithmic axis the sign is left out; on an axis
    near -1 values are drawn at most `FARTHEST` from 0.
    """
    values = [getattr(place, line.measure, None) for place in result.places]
    finite = [None if value is None or not math.isfinite(value) else value for value in values]
    if panel.axis == "near -1":
        return [None if value is None else min(max(value, -FARTHEST), FARTHEST) for value in finite]
    if panel.axis != "logarithmic":
        return finite
    return [None if value is None else max(abs(value), FLOOR) for value in finite]


def has_heights(result: Propagation, panel: MeasurePanel) -> bool:
    """Return whether a panel has anything to draw of a network."""
    return any(height is not None for line in panel.lines for height in heights(result, line, panel))


def draws_at_floor(panel: MeasurePanel, results: Sequence[Propagation]) -> bool:
    """Return whether a panel draws values at the floor of a logarithmic axis."""
    return any(FLOOR in heights(result, line, panel) for result in results for line in panel.lines)


FLOOR_NOTE = "(0, and what is below 1e-12, drawn there)"
FARTHEST_NOTE = "(what is beyond -2 and 2, drawn there)"


def note_of(panel: MeasurePanel, results: Sequence[Propagation]) -> str:
    """Return what the title of a panel adds about values that are not drawn at their own height."""
    if panel.axis == "near -1":
        drawn = [h for r in results for line in panel.lines for h in heights(r, line, panel)]
        return FARTHEST_NOTE if any(h is not None and abs(h) == FARTHEST for h in drawn) else ""
    return FLOOR_NOTE if draws_at_floor(panel, results) else ""


def needs_markers(drawn: Sequence[float | None]) -> bool:
    """Return whether the values of a line are marked: if they are few, or if one stands between gaps."""
    gaps = [height is None for height in drawn]
    alone = any(not gap and all(gaps[max(0, i - 1) : i] + gaps[i + 1 : i + 2]) for i, gap in enumerate(gaps))
    return alone or len(drawn) <= MOST_MARKED_JUNCTIONS
