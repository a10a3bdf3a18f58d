"""The measures by depth: a figure for paper, a page that opens without a network, a notebook cell."""

from __future__ import annotations

import base64
import html
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resunit.propagation.errors import PropagationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as PaperFigure
    from plotly.graph_objects import Figure as WebFigure

    from resunit.propagation.records import Junction
    from resunit.propagation.result import Propagation

BLUE, ORANGE = "#3b7dc4", "#e07b28"
FLOOR = 1e-12  # on logarithmic axes: zero is drawn here, and what is smaller would squeeze all others
STATIC = (".png", ".pdf", ".svg")


class Line(NamedTuple):
    """One measure by depth."""

    measure: str
    label: str
    colour: str
    dashed: bool = False


class Panel(NamedTuple):
    title: str
    lines: tuple[Line, ...]
    logarithmic: bool


PANELS = (
    Panel("Stream: root mean square of y", (Line("stream_rms", "stream", BLUE),), True),
    Panel(
        "Gradient, relative to the last junction",
        (
            Line("gradient_gain", "dE/dx", BLUE),
            Line("gradient_direct", "through the shortcut", ORANGE),
            Line("gradient_branch", "through the branch", ORANGE, dashed=True),
        ),
        True,
    ),
    Panel(
        "Direct path: running product over a stage",
        (
            Line("lambda_product", "of lambda", BLUE),
            Line("path_product", "of lambda and f", ORANGE, dashed=True),
        ),
        True,
    ),
    Panel(
        "Truncation by the activation after the addition",
        (
            Line("energy_cut", "energy cut", ORANGE),
            Line("negative_share", "P(y < 0)", BLUE),
            Line("gradient_blocked", "gradient blocked", ORANGE, dashed=True),
        ),
        False,
    ),
)


def draw(networks: Sequence[Propagation], path: Path) -> Path:
    """Draw networks side by side; the file is written whole or not at all."""
    kind = path.suffix.lower()
    if kind in STATIC:
        content = _image(paper_figure(networks), kind[1:])
    elif kind == ".html":
        content = page(networks).encode()
    else:
        raise PropagationError(f"{path} does not say what to draw; end it in .png, .pdf, .svg or .html")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def values(junctions: Sequence[Junction], line: Line, logarithmic: bool) -> list[float | None]:
    """A measure by depth; what cannot be drawn is a gap. On a logarithmic axis only the size counts."""
    found = [getattr(junction, line.measure) for junction in junctions]
    finite = [None if v is None or not math.isfinite(v) else v for v in found]
    return [None if v is None else max(abs(v), FLOOR) for v in finite] if logarithmic else finite


def title_of(panel: Panel, networks: Sequence[Propagation]) -> str:
    """Says so where the panel draws values at the floor."""
    drawn = [
        value
        for network in networks
        for line in panel.lines
        for value in values(network.junctions, line, panel.logarithmic)
    ]
    return f"{panel.title} (0, and what is below 1e-12, drawn there)" if FLOOR in drawn else panel.title


def needs_markers(heights: Sequence[float | None]) -> bool:
    """Few values are marked; so are those between gaps, which no line would show."""
    gaps = [height is None for height in heights]
    alone = any(not gap and all(gaps[max(0, i - 1) : i] + gaps[i + 1 : i + 2]) for i, gap in enumerate(gaps))
    return alone or len(heights) <= 40


def paper_figure(networks: Sequence[Propagation]) -> PaperFigure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(networks), 2.1 * len(PANELS)), layout="constrained")
    grid = figure.subplots(len(PANELS), len(networks), squeeze=False, sharey="row", sharex="col")
    for row, panel in enumerate(PANELS):
        for column, network in enumerate(networks):
            axes = grid[row][column]
            for line in panel.lines:
                drawn = values(network.junctions, line, panel.logarithmic)
                heights = [math.nan if value is None else value for value in drawn]
                axes.plot(
                    range(1, len(heights) + 1), heights, label=line.label, color=line.colour,
                    linestyle="--" if line.dashed else "-", linewidth=1.4,
                    marker="." if needs_markers(drawn) else "",
                )  # fmt: skip
            if panel.logarithmic:
                axes.set_yscale("log")
            else:
                axes.set_ylim(0, 1)
            axes.tick_params(labelsize=8)
            axes.set_title(title_of(panel, networks), fontsize=9, loc="left")
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if len(panel.lines) > 1:
                axes.legend(fontsize=7, frameon=False, handlelength=3)
        if panel.logarithmic:
            plain_ticks(grid[row][0])
    for column, network in enumerate(networks):
        grid[-1][column].set_xlabel(f"junction of {network.name}")
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


def _image(figure: PaperFigure, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150)
    return buffer.getvalue()


def web_figure(networks: Sequence[Propagation]) -> WebFigure:
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=len(PANELS),
        cols=len(networks),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.08,
        horizontal_spacing=0.05,
        subplot_titles=[_legend(panel, network, networks) for panel in PANELS for network in networks],
    )
    for row, panel in enumerate(PANELS, start=1):
        for column, network in enumerate(networks, start=1):
            for line in panel.lines:
                drawn = values(network.junctions, line, panel.logarithmic)
                figure.add_scatter(
                    x=list(range(1, len(network.junctions) + 1)),
                    y=drawn,
                    customdata=[getattr(junction, line.measure) for junction in network.junctions],
                    name=line.label,
                    text=[f"{html.escape(j.name)} ({j.kind})" for j in network.junctions],
                    hovertemplate="%{text}<br>"
                    + html.escape(line.label)
                    + " %{customdata:.3g}<extra></extra>",
                    line={"color": line.colour, "width": 1.8, "dash": "dash" if line.dashed else "solid"},
                    mode="lines+markers" if needs_markers(drawn) else "lines",
                    marker={"size": 4},
                    showlegend=False,
                    row=row,
                    col=column,
                )
        figure.update_yaxes(type="log" if panel.logarithmic else "linear", exponentformat="power", row=row)
        if not panel.logarithmic:
            figure.update_yaxes(range=[0, 1], row=row)
    figure.update_xaxes(title_text="junction", row=len(PANELS))
    figure.update_annotations(font_size=12)
    margin = {"l": 50, "r": 10, "t": 90, "b": 40}
    figure.update_layout(template="plotly_white", height=260 * len(PANELS), margin=margin)
    return figure


def _legend(panel: Panel, network: Propagation, networks: Sequence[Propagation]) -> str:
    """The panel's title, whose words for the lines are in their colours."""
    name = f"<b>{html.escape(network.name)}</b><br>" if panel is PANELS[0] and len(networks) > 1 else ""
    lines = ", ".join(
        f'<span style="color:{line.colour}">{"- -" if line.dashed else "—"} {html.escape(line.label)}</span>'
        for line in panel.lines
    )
    return f"{name}{html.escape(title_of(panel, networks))}<br>{lines}"


def page(networks: Sequence[Propagation]) -> str:
    """One file with everything in it: findings, figure and plotly's program."""
    title = " and ".join(html.escape(network.name) for network in networks)
    figure = web_figure(networks).to_html(
        full_html=False, include_plotlyjs=True, config={"displaylogo": False, "responsive": True}
    )
    lists = "".join(f"<h2>{html.escape(network.name)}</h2>{_list(network)}" for network in networks)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>Propagation: {title}</title><style>'
        "body{max-width:75rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif}"
        "h1{font-size:1.5rem}h2{font-size:1.1rem}li{margin:.4rem 0;max-width:48rem}"
        f".figure{{overflow-x:auto}}.figure>div{{min-width:{28 * len(networks)}rem}}</style></head>"
        f"<body><h1>Does the signal pass directly? {title}</h1>{lists}"
        f'<div class="figure">{figure}</div></body></html>'
    )


def notebook_html(network: Propagation) -> str:
    picture = base64.b64encode(_image(paper_figure([network]), "png")).decode()
    source = f"data:image/png;base64,{picture}"
    return f'{_list(network)}<img alt="measures by depth" style="max-width:42rem" src="{source}">'


def _list(network: Propagation) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in network.findings)}</ul>"
