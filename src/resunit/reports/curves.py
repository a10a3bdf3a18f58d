"""Training curves: training error dashed, test error solid, on one axis; a colour a network.

The paper's dashed lines are the training loss, on an axis of its own.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from resunit.errors import UsageError
from resunit.io.atomic import write_atomically
from resunit.reports.figures import FONT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = ("#3b7dc4", "#d1495b", "#4a9c5d", "#8f5fbf")
STYLES = {"train_error": ("dash", 1.2, "training"), "test_error": ("solid", 2.2, "test")}
PICTURES = (".png", ".pdf", ".svg")
LINE = 95  # characters of a caption under one panel


@dataclass(frozen=True)
class Curve:
    """The runs of one network over seeds: each a list of points with step, train_error and test_error."""

    label: str
    runs: Sequence[Sequence[Mapping[str, Any]]]

    def along(self, error: str) -> list[tuple[int, float, float, float]]:
        """(step, mean, least, most) over the seeds, at every step where all of them have `error`."""
        by_step: dict[int, list[float]] = {}
        for run in self.runs:
            for point in run:
                value = point.get(error)
                if value is not None and math.isfinite(value):
                    by_step.setdefault(point["step"], []).append(value)
        full = {step: values for step, values in by_step.items() if len(values) == len(self.runs)}
        return [(step, fmean(values), min(values), max(values)) for step, values in sorted(full.items())]


Panels = Mapping[str, Sequence[Curve]]


@dataclass(frozen=True)
class Plot:
    """`caption` says which runs the curves of `panels` are of."""

    title: str
    panels: Panels
    caption: str


def interactive_curves(panels: Panels) -> Figure:
    """All panels in one figure, two beside each other; bands span the seeds."""
    from plotly.subplots import make_subplots

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=list(panels), shared_yaxes=True,
                           vertical_spacing=0.2 / rows, horizontal_spacing=0.06)  # fmt: skip
    named: set[str] = set()
    colours = _colours(panels)
    for place, curves in enumerate(panels.values()):
        row, column = divmod(place, columns)
        where = {"row": row + 1, "col": column + 1}
        for curve in curves:
            colour = colours[curve.label]
            for error, (dash, width, words) in STYLES.items():
                points = curve.along(error)
                if not points:
                    continue
                steps, mean, least, most = zip(*points, strict=True)
                if len(curve.runs) > 1 and error == "test_error":
                    band = {"x": [*steps, *reversed(steps)], "y": [*most, *reversed(least)], "fill": "toself"}
                    figure.add_scatter(**band, fillcolor=colour, opacity=0.15, mode="lines", line_width=0,
                                       hoverinfo="skip", showlegend=False, **where)  # fmt: skip
                name = f"{curve.label}, {words}"
                figure.add_scatter(
                    x=steps, y=mean, name=name, mode="lines", legendgroup=name, showlegend=name not in named,
                    line={"color": colour, "dash": dash, "width": width}, hovertemplate="%{y:.1f} %", **where,
                )  # fmt: skip
                named.add(name)
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_text="step", row=rows)
    figure.update_yaxes(title_text="error (%)", col=1)
    figure.update_layout(
        template="none",
        font_family=FONT,
        height=330 * rows + 90,
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.2 / rows, "yanchor": "top"},
        margin={"l": 48, "r": 8, "t": 32, "b": 44},
    )
    return figure


def draw_curves(plot: Plot, path: Path) -> Path:
    """Draw all panels for a paper, as .png, .pdf or .svg. Raises UsageError for another suffix."""
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import MaxNLocator

    panels = plot.panels
    if path.suffix not in PICTURES:
        raise UsageError(f"{path}: a picture ends in {', '.join(PICTURES)}")
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    drawing = Drawing(figsize=(5.2 * columns, 3.4 * rows + 0.7), layout="constrained")
    grid = drawing.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    colours = _colours(panels)
    for axes, (name, curves) in zip(grid, panels.items(), strict=False):
        for curve in curves:
            for error, (dash, width, words) in STYLES.items():
                points = curve.along(error)
                if not points:
                    continue
                steps, mean, least, most = zip(*points, strict=True)
                colour = colours[curve.label]
                marker = "." if len(steps) == 1 else None
                axes.plot(steps, mean, color=colour, marker=marker, linestyle="--" if dash == "dash" else "-",
                          linewidth=0.7 * width, label=f"{curve.label}, {words}")  # fmt: skip
                if len(curve.runs) > 1 and error == "test_error":
                    axes.fill_between(steps, least, most, color=colour, alpha=0.12, linewidth=0)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False)
    for axes in grid[::columns]:
        axes.set_ylabel("error (%)")
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    drawing.suptitle(plot.title, fontsize=11)
    drawing.supxlabel(textwrap.fill(plot.caption, LINE * columns), fontsize=7, color="#5d6770")
    buffer = io.BytesIO()
    undated = {"CreationDate": None} if path.suffix == ".pdf" else None  # equal records give equal bytes
    drawing.savefig(buffer, format=path.suffix[1:], dpi=150, metadata=undated)
    write_atomically(path, buffer.getvalue())
    return path


def _colours(panels: Panels) -> dict[str, str]:
    """What all panels share comes first; others take the second colour, one a panel."""
    labels = [[curve.label for curve in curves] for curves in panels.values()]
    common = set.intersection(*map(set, labels)) if labels else set()
    if len(panels) > 1 and common:
        others = dict.fromkeys((label for names in labels for label in names), COLOURS[1])
        return others | dict.fromkeys(common, COLOURS[0])
    flat = list(dict.fromkeys(label for names in labels for label in names))
    if len(panels) > 1:  # pairs: the first of each is what it is compared with
        return {label: COLOURS[names.index(label)] for names in labels for label in names}
    return {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(flat)}
