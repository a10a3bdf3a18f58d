"""A measurement as a notebook shows it."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from resunit.io.figure_bytes import encode_figure
from resunit.propagation.show.paper_figure import DOTS_PER_INCH, draw_paper_figure

if TYPE_CHECKING:
    from resunit.propagation.result import Propagation


def render_notebook(result: Propagation) -> str:
    """Return the findings and the figure as HTML."""
    findings = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in result.findings)
    picture = base64.b64encode(encode_figure(draw_paper_figure([result]), "png", DOTS_PER_INCH)).decode()
    source = f"data:image/png;base64,{picture}"
    return (
        f'<ul>{findings}</ul><img alt="measures by depth" style="max-width:42rem;width:100%" src="{source}">'
    )
