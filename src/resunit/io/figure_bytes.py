"""Figures of matplotlib as the bytes of a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What matplotlib writes about itself and the day, by kind of file.
LEFT_OUT: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}


def encode_figure(figure: Figure, kind: str, dots_per_inch: float) -> bytes:
    """Return a figure as the content of a file of a kind: "png", "pdf" or "svg".

    Neither the date nor a version of matplotlib is in it, so a file changes only if what it shows does.
    """
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # Letters of a PDF stay letters, in a TrueType font; names within an SVG are made from what they name.
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": "resunit"}):
        figure.savefig(buffer, format=kind, dpi=dots_per_inch, metadata=LEFT_OUT[kind])
    return buffer.getvalue()
