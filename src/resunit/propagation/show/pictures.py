"""Measurements drawn: a figure for paper in .png, .pdf or .svg, a page in .html, a notebook cell."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.errors import PropagationError
from resunit.propagation.show.page import list_of_findings, page
from resunit.propagation.show.panels import needs_markers, panels_of, title_of, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from resunit.propagation.result import Propagation

STATIC = (".png", ".pdf", ".svg")


def draw(networks: Sequence[Propagation], path: Path) -> Path:
    """Draw networks side by side; the file is written whole or not at all. Raises OSError if it cannot be."""
    kind = path.suffix.lower()
    if kind in STATIC:
        content = _image(paper_figure(networks), kind[1:])
    elif kind == ".html":
        content = page(networks).encode()
    else:
        raise PropagationError(f"{path} does not say what to draw; end it in .png, .pdf, .svg or .html")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder to draw {path.name} in; make it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def paper_figure(networks: Sequence[Propagation]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = panels_of(networks)
    figure = Figure(figsize=(6.4 * len(networks) + 1.4, 2.1 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), len(networks), squeeze=False, sharey="row", sharex="col")
    for row, panel in enumerate(panels):
        for column, network in enumerate(networks):
            axes = grid[row][column]
            for line in panel.lines:
                drawn = values(network.junctions, line, panel)
                heights = [math.nan if value is None else value for value in drawn]
                axes.plot(
                    range(1, len(heights) + 1), heights, label=line.label, color=line.colour,
                    linestyle="--" if line.dashed else "-", linewidth=1.4,
                    marker="." if needs_markers(drawn) else "",
                )  # fmt: skip
            if panel.axis == "logarithmic":
                axes.set_yscale("log")
            elif panel.axis == "share":
                axes.set_ylim(0, 1)
            axes.tick_params(labelsize=8)
            axes.set_title(title_of(panel, networks), fontsize=9, loc="left")
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        if len(panel.lines) > 1:  # beside the row, where it covers no line
            beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
            grid[row][-1].legend(fontsize=8, frameon=False, handlelength=3, **beside)
        if panel.axis == "logarithmic":
            plain_ticks(grid[row][0])
    for column, network in enumerate(networks):
        grid[-1][column].set_xlabel(f"junction of {network.name}")
        whole = MaxNLocator(integer=True, steps=(1, 2, 5, 10), min_n_ticks=1)  # else also between junctions
        grid[-1][column].xaxis.set_major_locator(whole)
    return figure


def plain_ticks(axes: Axes) -> None:
    """Numbers as they are said, and enough of them, on a logarithmic axis however short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_ylim()
    if high < 1000 * low:
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(
            MaxNLocator(5, steps=(1, 2, 5, 10))
            if high < 10 * low
            else LogLocator(subs=(1, 2, 5), numticks=20)
        )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _image(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150)
    return buffer.getvalue()


def notebook_html(network: Propagation) -> str:
    picture = base64.b64encode(_image(paper_figure([network]), "png")).decode()
    source = f"data:image/png;base64,{picture}"
    return f'{list_of_findings(network)}<img alt="measures by depth" style="max-width:42rem" src="{source}">'
