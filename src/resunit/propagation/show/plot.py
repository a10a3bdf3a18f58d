"""Drawing measurements into a file: .png, .pdf or .svg for paper, .html for a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.errors import PropagationError
from resunit.io.atomic import write_atomically
from resunit.io.figure_bytes import encode_figure
from resunit.propagation.show.page import render_propagation_page
from resunit.propagation.show.paper_figure import DOTS_PER_INCH, draw_paper_figure

if TYPE_CHECKING:
    from resunit.propagation.result import Propagation

IMAGES = (".png", ".pdf", ".svg")


def plot(results: Sequence[Propagation], path: Path) -> Path:
    """Draw measurements side by side into a file, which is written whole or not at all; return its path.

    Raises:
        PropagationError: the path has no known ending.
        WriteError: the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending in IMAGES:
        content = encode_figure(draw_paper_figure(results), ending[1:], DOTS_PER_INCH)
    elif ending == ".html":
        content = render_propagation_page(results).encode()
    else:
        raise PropagationError(f"{path} does not say what to draw; end it in .png, .pdf, .svg or .html")
    write_atomically(path, content)
    return path
