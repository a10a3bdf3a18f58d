"""The paper's designs in one figure: what reaches each depth, at initialisation and after some training."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from resunit.io.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "gradient_gain": "||dE/dx||, relative to the last unit",
    "lambda_product": "product of lambda in a stage",
}
FLOOR = 1e-12  # zero is drawn here, and what is smaller: it would squeeze all others together


class Stroke(NamedTuple):
    """How a design is drawn: told apart by colour and by dashes."""

    colour: str
    dashes: str | tuple[int, tuple[int, ...]] = "-"


BLACK, BLUE, SKY, GREEN, ORANGE, RED, PURPLE = (
    "#000000", "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc0000", "#aa4499",
)  # fmt: skip
DOTS, SHORT, LONG, DASH_DOT = (0, (1, 1)), (0, (3, 2)), (0, (7, 2)), (0, (5, 2, 1, 2))
TABLES: dict[str, dict[str, Stroke]] = {
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


def save_figure(records: Mapping[str, Mapping[str, Any]], steps: int, path: Path) -> None:
    """Draw the records, by design, into the .png `path`. Raises OSError if it cannot be written."""
    buffer = io.BytesIO()
    figure(records, steps).savefig(buffer, format="png", dpi=150)
    write_atomically(path, buffer.getvalue())


def figure(records: Mapping[str, Mapping[str, Any]], steps: int) -> Figure:
    """One column before and one after training, a row for each measure and table of the paper."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawing = Figure(figsize=(13, 11), layout="constrained")
    grid = drawing.subplots(len(MEASURES) * len(TABLES), 2, sharex=True, squeeze=False)
    for number, (measure, label) in enumerate(MEASURES.items()):
        rows = grid[number * len(TABLES) : (number + 1) * len(TABLES)]
        for (before, after), (table, strokes) in zip(rows, TABLES.items(), strict=True):
            _draw(before, records, strokes, "initially", measure)
            _draw(after, records, strokes, "trained", measure)
            before.set_title(f"{table}, at initialisation", fontsize=10, loc="left")
            after.set_title(f"{table}, after {steps} steps", fontsize=10, loc="left")
            before.set_ylabel(label, fontsize=9)
            handles, _ = before.get_legend_handles_labels()
            labels = [_label(design, records[design]) for design in strokes if design in records]
            after.legend(
                handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False,
                handlelength=4,
            )  # fmt: skip
        _same_axis([axes for row in rows for axes in row])
    for axes in grid[-1]:
        axes.set_xlabel("unit")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    drawing.suptitle(_title(records), fontsize=11)
    return drawing


def _draw(
    axes: Axes,
    records: Mapping[str, Mapping[str, Any]],
    strokes: Mapping[str, Stroke],
    when: str,
    measure: str,
) -> None:
    for order, (design, stroke) in enumerate(strokes.items()):
        if design in records:
            values = (records[design][when] or {}).get(measure) or []
            heights = [math.nan if value is None else max(abs(value), FLOOR) for value in values]
            axes.plot(
                range(1, len(heights) + 1), heights, label=design, color=stroke.colour, alpha=0.9,
                linestyle=stroke.dashes, linewidth=3.0 - 0.3 * order, zorder=2 + order,
            )  # fmt: skip
            if any(value == 0 for value in values):
                said = {
                    "color": stroke.colour,
                    "fontsize": 9,
                    "xytext": (4, 4),
                    "textcoords": "offset points",
                }
                axes.annotate(f"{design}: 0", (1, FLOOR), **said)
    _say_if_all_are_one(axes)
    axes.set_yscale("log")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _say_if_all_are_one(axes: Axes) -> None:
    """Lines that hide one another are no mistake of the drawing."""
    heights = [value for line in axes.lines for value in np.asarray(line.get_ydata()) if math.isfinite(value)]
    if heights and min(heights) > 0.999 and max(heights) < 1.001:
        axes.annotate("every line is at 1", (0.5, 0.8), xycoords="axes fraction", ha="center", fontsize=9)


def _label(design: str, record: Mapping[str, Any]) -> str:
    if record["trained"] is not None:
        return design if record["status"] == "done" else f"{design} ({record['status']})"
    return f"{design}\n({record['status']}: initialisation only)"


def _same_axis(grid: list[Axes]) -> None:
    """One scale for a measure, marked where values are drawn at the floor."""
    from matplotlib.ticker import FuncFormatter

    lines = [line for axes in grid for line in axes.lines]
    finite = [value for line in lines for value in np.asarray(line.get_ydata()) if math.isfinite(value)]
    for axes in grid:
        if finite:
            axes.set_ylim(min(finite) / 3, max(finite) * 3)
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"≤ {value:g}" if value <= FLOOR * 1.01 else f"{value:g}")
        )


def missing(records: Mapping[str, Any]) -> list[str]:
    """The designs of the paper that are not among the records."""
    return list(dict.fromkeys(name for table in TABLES.values() for name in table if name not in records))


def _title(records: Mapping[str, Mapping[str, Any]]) -> str:
    record = next(iter(records.values()))
    without = f"; without {', '.join(missing(records))}" if missing(records) else ""
    details = [str(record["data"]), f"seed {record['seed']}", *record.get("remarks", ())]
    return (
        f"{record['model']} in the paper's designs ({', '.join(details)}){without}; "
        f"zero, and what is below {FLOOR:g}, is drawn at {FLOOR:g}"
    )
