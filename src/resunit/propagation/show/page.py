"""The measures by depth as a page that opens without a network, to zoom into and point at."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.propagation.show.panels import PANELS, Panel, needs_markers, panels_of, title_of, values

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from resunit.propagation.result import Propagation


def web_figure(networks: Sequence[Propagation]) -> Figure:
    from plotly.subplots import make_subplots

    panels = panels_of(networks)
    figure = make_subplots(
        rows=len(panels),
        cols=len(networks),
        shared_xaxes=True,
        shared_yaxes=True,
        vertical_spacing=0.32 / len(panels),
        horizontal_spacing=0.05,
        subplot_titles=[_legend(panel, network, networks) for panel in panels for network in networks],
    )
    for row, panel in enumerate(panels, start=1):
        for column, network in enumerate(networks, start=1):
            for line in panel.lines:
                drawn = values(network.junctions, line, panel)
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
        kind = "log" if panel.axis == "logarithmic" else "linear"
        figure.update_yaxes(type=kind, exponentformat="power", row=row)
        if panel.axis == "share":
            figure.update_yaxes(range=[0, 1], row=row)
    figure.update_xaxes(title_text="junction", row=len(panels))
    if max(len(network.junctions) for network in networks) <= 10:
        figure.update_xaxes(dtick=1)  # else there are ticks between them
    figure.update_annotations(font_size=12)
    margin = {"l": 50, "r": 10, "t": 90, "b": 40}
    figure.update_layout(template="plotly_white", height=260 * len(panels), margin=margin)
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
    lists = "".join(
        f"<h2>{html.escape(network.name)}</h2>{list_of_findings(network)}" for network in networks
    )
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


def list_of_findings(network: Propagation) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in network.findings)}</ul>"
