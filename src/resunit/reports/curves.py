"""Training curves of many runs: a colour for each network, training error dashed and test error solid.

Both errors are on one axis. The paper's dashed lines are the training loss, on an axis of its own.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from resunit.errors import UsageError
from resunit.io.atomic import write_atomically
from resunit.io.figure_bytes import encode_figure
from resunit.io.style import BLUE, GREEN, PURPLE, RED, lay_out
from resunit.runs.read import is_finite
from resunit.runs.schema import CurvePoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from plotly.graph_objects import Figure

ErrorField = Literal["train_error", "test_error"]

COLOURS = (BLUE, RED, GREEN, PURPLE)
PICTURE_SUFFIXES = (".png", ".pdf", ".svg")
CAPTION_CHARACTERS_PER_PANEL = 95
DOTS_PER_INCH = 150


class ErrorsAtStep(NamedTuple):
    """The errors in percent of several seeds at one step."""

    step: int
    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Curve:
    """The training curves of one network.

    Attributes:
        runs: the points of each seed's run, in the order of the steps.
    """

    label: str
    runs: Sequence[Sequence[CurvePoint]]

    def along(self, error: ErrorField) -> list[ErrorsAtStep]:
        """Return the errors at every step at which all seeds have a finite one, in the order of the steps."""
        by_step: dict[int, list[float]] = {}
        for run in self.runs:
            for point in run:
                if is_finite(value := getattr(point, error)):
                    by_step.setdefault(point.step, []).append(value)
        return [
            ErrorsAtStep(step, fmean(values), min(values), max(values))
            for step, values in sorted(by_step.items())
            if len(values) == len(self.runs)
        ]


Panels = Mapping[str, Sequence[Curve]]


@dataclass(frozen=True)
class Plot:
    """A figure of one or several panels.

    Attributes:
        panels: the curves of each panel by the panel's title.
        caption: the runs that the curves were measured on.
    """

    title: str
    panels: Panels
    caption: str


class ErrorLine(NamedTuple):
    """The style of the line of one of a network's two errors.

    Attributes:
        label: the legend's name for the images that the error was measured on.
        width: the line's width in pixels.
        banded: whether a band spans the seeds, where there are several.
    """

    error: ErrorField
    label: str
    dashed: bool
    width: float
    banded: bool


ERROR_LINES = (
    ErrorLine("train_error", "training", dashed=True, width=1.2, banded=False),
    ErrorLine("test_error", "test", dashed=False, width=2.2, banded=True),
)


class DrawnLine(NamedTuple):
    """A line of a panel: one error of one network.

    Attributes:
        line: how the error is drawn.
        name: the network and the error, for the legend.
        points: the errors of the seeds at each step, at least one.
        banded: whether a band spans the seeds.
    """

    line: ErrorLine
    name: str
    colour: str
    points: list[ErrorsAtStep]
    banded: bool


def draw_interactive_curves(panels: Panels) -> Figure:
    """Return all panels in one interactive figure, two beside each other; bands span the seeds."""
    from plotly.subplots import make_subplots

    rows, columns = _grid(panels)
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=list(panels), shared_yaxes=True,
                           vertical_spacing=0.2 / rows, horizontal_spacing=0.06)  # fmt: skip
    named: set[str] = set()
    colours = _colours(panels)
    for place, curves in enumerate(panels.values()):
        row, column = divmod(place, columns)
        where = {"row": row + 1, "col": column + 1}
        for drawn in _select_lines(curves, colours):
            steps, means, lowest, highest = zip(*drawn.points, strict=True)
            if drawn.banded:
                figure.add_scatter(x=[*steps, *reversed(steps)], y=[*highest, *reversed(lowest)],
                                   fill="toself", fillcolor=drawn.colour, opacity=0.15, mode="lines",
                                   line_width=0, hoverinfo="skip", showlegend=False, **where)  # fmt: skip
            style = {
                "color": drawn.colour,
                "dash": "dash" if drawn.line.dashed else "solid",
                "width": drawn.line.width,
            }
            figure.add_scatter(x=steps, y=means, name=drawn.name, mode="lines", line=style,
                               legendgroup=drawn.name, showlegend=drawn.name not in named,
                               hovertemplate="%{y:.1f} %", **where)  # fmt: skip
            named.add(drawn.name)
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title_text="step", row=rows)
    figure.update_yaxes(title_text="error (%)", col=1)
    legend = {"orientation": "h", "y": -0.2 / rows, "yanchor": "top"}
    lay_out(figure, left=48, top=32, height=330 * rows + 90, hovermode="x unified", legend=legend)
    return figure


def draw_curves(plot: Plot, path: Path) -> Path:
    """Draw all panels for a paper into a .png, .pdf or .svg, and return `path`. Equal plots give equal bytes.

    Raises:
        UsageError: the suffix is another one.
        WriteError: the file cannot be written.
    """
    from matplotlib.figure import Figure as Drawing

    if path.suffix not in PICTURE_SUFFIXES:
        raise UsageError(f"{path}: a picture ends in {', '.join(PICTURE_SUFFIXES)}")
    rows, columns = _grid(plot.panels)
    drawing = Drawing(figsize=(5.2 * columns, 3.4 * rows + 0.7), layout="constrained")
    grid = drawing.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    colours = _colours(plot.panels)
    for axes, (title, curves) in zip(grid, plot.panels.items(), strict=False):
        _draw_panel(axes, title, list(_select_lines(curves, colours)))
    for axes in grid[::columns]:
        axes.set_ylabel("error (%)")
    for axes in grid[len(plot.panels) :]:
        axes.set_axis_off()
    drawing.suptitle(plot.title, fontsize=11)
    caption = textwrap.fill(plot.caption, CAPTION_CHARACTERS_PER_PANEL * columns)
    drawing.supxlabel(caption, fontsize=7, color="#5d6770")
    write_atomically(path, encode_figure(drawing, path.suffix[1:], DOTS_PER_INCH))
    return path


def _draw_panel(axes: Axes, title: str, lines: Sequence[DrawnLine]) -> None:
    from matplotlib.ticker import MaxNLocator

    for drawn in lines:
        steps, means, lowest, highest = zip(*drawn.points, strict=True)
        axes.plot(steps, means, color=drawn.colour, label=drawn.name, linewidth=0.7 * drawn.line.width,
                  linestyle="--" if drawn.line.dashed else "-",
                  marker="." if len(steps) == 1 else None)  # fmt: skip
        if drawn.banded:
            axes.fill_between(steps, lowest, highest, color=drawn.colour, alpha=0.12, linewidth=0)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)


def _grid(panels: Panels) -> tuple[int, int]:
    """Return the rows and columns that the panels need, two panels beside each other."""
    columns = min(2, len(panels))
    return -(-len(panels) // columns), columns


def _select_lines(curves: Sequence[Curve], colours: Mapping[str, str]) -> Iterator[DrawnLine]:
    """Yield the lines of one panel that have points."""
    for curve in curves:
        for line in ERROR_LINES:
            if points := curve.along(line.error):
                banded = line.banded and len(curve.runs) > 1
                yield DrawnLine(line, f"{curve.label}, {line.label}", colours[curve.label], points, banded)


def _colours(panels: Panels) -> dict[str, str]:
    """Return a colour for each network.

    A network that all panels share gets the first colour, and the other network of each panel gets the second.
    Where panels share no network, each panel is a pair: the first network is the baseline of the second.
    """
    labels = [[curve.label for curve in curves] for curves in panels.values()]
    common = set.intersection(*map(set, labels)) if labels else set()
    if len(panels) > 1 and common:
        others = dict.fromkeys((label for names in labels for label in names), COLOURS[1])
        return others | dict.fromkeys(common, COLOURS[0])
    if len(panels) > 1:
        return {label: COLOURS[names.index(label)] for names in labels for label in names}
    flat = list(dict.fromkeys(label for names in labels for label in names))
    return {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(flat)}
