"""The figure of the signal at each depth in the paper's designs, at initialisation and after some training."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resunit.io.atomic import write_atomically
from resunit.io.figure_bytes import encode_figure
from resunit.reproduction.experiments.setting import setting_of
from resunit.reproduction.figures.signal import DRAWN_MEASURES, Measured, SignalComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Zero, and what is smaller than this, is drawn here: it would squeeze all other lines together.
FLOOR = 1e-12

DIRECT_TERMS = ("shortcut_gain", "direct_gain")

POINTS_OF_A_LINE = 11

TITLE_CHARACTERS = 130  # in a line of the title, as many as fit the figure


class Stroke(NamedTuple):
    """The colour and the dashes that tell a design from the others."""

    colour: str
    dashes: str | tuple[int, tuple[int, ...]] = "-"


class SignalPanel(NamedTuple):
    """One measure of several designs at one time.

    Attributes:
        measure: a key of `DRAWN_MEASURES`.
        when: the words for the time, for the title.
        measured: the measures of each design; None where it was not measured.
    """

    measure: str
    when: str
    measured: Mapping[str, Measured | None]


BLACK, BLUE, SKY, GREEN, ORANGE, RED, PURPLE = (
    "#000000", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc0000", "#aa4499",
)  # fmt: skip
DOTS_PER_INCH = 150
DOTS, SHORT, LONG, DASH_DOT = (0, (1, 1)), (0, (3, 2)), (0, (7, 2)), (0, (5, 2, 1, 2))
STROKES: dict[str, dict[str, Stroke]] = {
    "Table 1: shortcuts": {
        "original": Stroke(BLACK),
        "plain": Stroke(RED),
        "constant-scaling": Stroke(ORANGE, LONG),
        "exclusive-gating": Stroke(BLUE),
        "shortcut-only-gating": Stroke(SKY, SHORT),
        "conv-shortcut": Stroke(GREEN, DASH_DOT),
        "dropout-shortcut": Stroke(PURPLE, DOTS),
    },
    "Table 2: activations": {
        "original": Stroke(BLACK),
        "bn-after-addition": Stroke(RED, LONG),
        "relu-before-addition": Stroke(ORANGE, SHORT),
        "relu-only-preactivation": Stroke(PURPLE, DOTS),
        "full-preactivation": Stroke(BLUE),
    },
}


def save_figure(signals: SignalComparison, path: Path) -> Path:
    """Draw the comparison into the .png `path`, and return the path. Raises WriteError."""
    write_atomically(path, encode_figure(draw_signals(signals), "png", DOTS_PER_INCH))
    return path


def draw_signals(signals: SignalComparison) -> Figure:
    """Return the figure, in rows of two panels.

    The gradient before training stands beside the gradient after it. Below, before and after training, the
    direct term through h alone (the shortcuts of Fig. 2) stands beside the direct term through h and f, which
    the activations of Fig. 4 change too.
    """
    from matplotlib.figure import Figure

    initially = {design: signals.initially(design) for design in signals.records}
    trained = {design: signals.trained(design) for design in signals.records}
    before, after = "at initialisation", f"after {signals.steps} steps"
    pairs = [(SignalPanel("gradient_gain", before, initially), SignalPanel("gradient_gain", after, trained))]
    if any(name in signals.drawn for name in DIRECT_TERMS):
        pairs += [
            (SignalPanel(DIRECT_TERMS[0], when, measured), SignalPanel(DIRECT_TERMS[1], when, measured))
            for when, measured in ((before, initially), (after, trained))
        ]
    drawing = Figure(figsize=(13, 1 + 2.5 * len(pairs) * len(STROKES)), layout="constrained")
    labels = {design: _label(design, signals) for design in signals.records}
    draw_pairs(drawing, pairs, labels)
    drawing.suptitle(textwrap.fill(_title(signals), TITLE_CHARACTERS), fontsize=11)
    return drawing


def draw_pairs(
    drawing: Figure, pairs: Sequence[tuple[SignalPanel, SignalPanel]], labels: Mapping[str, str]
) -> None:
    """Draw a row for each pair of panels and each of the paper's tables; panels that are compared share an axis.

    The direct terms of both tables have axes of their own, for the shortcuts of Table 1 take a millionth of what
    the activations of Table 2 leave. A design without a label for the legend has no line.
    """
    from matplotlib.ticker import MaxNLocator

    grid = drawing.subplots(len(pairs) * len(STROKES), 2, sharex=True, squeeze=False)
    kinds: dict[str, list[Axes]] = {}
    for number, pair in enumerate(pairs):
        for row, (table, strokes) in zip(grid[number * len(STROKES) :], STROKES.items(), strict=False):
            for axes, panel in zip(row, pair, strict=True):
                _draw(axes, panel.measured, strokes, panel.measure)
                axes.set_title(f"{table}, {panel.when}", fontsize=10, loc="left")
                axes.set_ylabel(DRAWN_MEASURES[panel.measure], fontsize=9)
                kinds.setdefault(table if panel.measure in DIRECT_TERMS else panel.measure, []).append(axes)
            handles, _ = row[0].get_legend_handles_labels()
            row[1].legend(
                handles, [labels[design] for design in strokes if design in labels], loc="center left",
                bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False, handlelength=4,
            )  # fmt: skip
    for panels in kinds.values():
        _share_axis(panels)
    for axes in grid[-1]:
        axes.set_xlabel("unit")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw(
    axes: Axes, measured: Mapping[str, Measured | None], strokes: Mapping[str, Stroke], measure: str
) -> None:
    for order, (design, stroke) in enumerate(strokes.items()):
        if design in measured:
            values = (measured[design] or {}).get(measure, ())
            heights = [math.nan if value is None else max(abs(value), FLOOR) for value in values]
            axes.plot(
                range(1, len(heights) + 1), heights, label=design, color=stroke.colour, alpha=0.9,
                linestyle=stroke.dashes, linewidth=3.0 - 0.3 * order, zorder=2 + order,
            )  # fmt: skip
            if 0 in values:
                # The words for several designs stand one above the other.
                above = 4 + POINTS_OF_A_LINE * len(axes.texts)
                axes.annotate(
                    f"{design}: 0", (1 + values.index(0), FLOOR), color=stroke.colour, fontsize=9,
                    xytext=(4, above), textcoords="offset points",
                )  # fmt: skip
    _say_if_all_are_one(axes)
    axes.set_yscale("log")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _say_if_all_are_one(axes: Axes) -> None:
    """Write into a panel that every line is at 1, since lines that hide one another would look like a mistake."""
    heights = [value for line in axes.lines for value in np.asarray(line.get_ydata()) if math.isfinite(value)]
    if heights and min(heights) > 0.999 and max(heights) < 1.001:
        axes.annotate("every line is at 1", (0.5, 0.8), xycoords="axes fraction", ha="center", fontsize=9)


def _label(design: str, signals: SignalComparison) -> str:
    status = signals.records[design].status
    if signals.trained(design) is not None:
        return design if status == "done" else f"{design} ({status})"
    return f"{design}\n({status}: initialisation only)"


def _share_axis(grid: list[Axes]) -> None:
    """Give all panels of a measure one scale, marked where values are drawn at the floor."""
    from matplotlib.ticker import FuncFormatter

    lines = [line for axes in grid for line in axes.lines]
    finite = [value for line in lines for value in np.asarray(line.get_ydata()) if math.isfinite(value)]
    for axes in grid:
        if finite:
            axes.set_ylim(min(finite) / 3, max(finite) * 3)
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"≤ {value:g}" if value <= FLOOR * 1.01 else f"{value:g}")
        )


def _title(signals: SignalComparison) -> str:
    record = next(iter(signals.records.values()))
    setting = setting_of(record)
    without = f"; without {', '.join(signals.missing)}" if signals.missing else ""
    seeds = ", ".join(map(str, sorted({record.seed for record in signals.records.values()})))
    details = f"{record.data}, seed {seeds}, scale {record.scale}, {setting.description}"
    absent = [name for name in DRAWN_MEASURES if name not in signals.drawn]
    without += f"; these records have no {' and no '.join(absent)}" if absent else ""
    return (
        f"{record.model} in the paper's designs ({details}){without}; "
        f"zero, and what is below {FLOOR:g}, is drawn at {FLOOR:g}"
    )
