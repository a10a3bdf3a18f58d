"""Pictures as PNG and PDF, drawn by matplotlib in the colours of the light SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from resunit.io.figure_bytes import encode_figure
from resunit.models.drawing.shapes import FONT_SIZE, Box, Polyline, Shape, Sign, Text, VectorPicture
from resunit.models.drawing.svg import EDGE, baselines, head_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS_PER_INCH, POINTS_PER_PIXEL = 96, 0.75
DOTS_PER_INCH = 192  # A picture is twice as many pixels wide as its SVG.
INK, QUIET = "#1c2126", "#5d6770"
FACES = {"weight": "#dbe9f8", "norm": "#fdebd3", "activation": "#ddf2e3", "other": "#eef0f3"}
EDGES = {"weight": "#2c6cb0", "norm": "#b46a00", "activation": "#2f8a4c", "other": QUIET}


def render_with_matplotlib(picture: VectorPicture, kind: Literal["png", "pdf"]) -> bytes:
    """Return a picture as the bytes of a PNG or PDF file."""
    from matplotlib.figure import Figure

    width, height = picture.width + 2 * EDGE, picture.height + 2 * EDGE
    figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-EDGE, width - EDGE)
    axes.set_ylim(height - EDGE, -EDGE)
    for shape in picture.shapes:
        _add(axes, shape)
    return encode_figure(figure, kind, DOTS_PER_INCH)


def _add(axes: Axes, shape: Shape) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch, Polygon

    match shape:
        case Box():
            axes.add_patch(
                FancyBboxPatch(
                    (shape.x, shape.y), shape.width, shape.height, boxstyle="round,pad=0,rounding_size=3",
                    facecolor=FACES[shape.kind], edgecolor=EDGES[shape.kind], linewidth=POINTS_PER_PIXEL,
                )
            )  # fmt: skip
            for text, y in zip(shape.lines, baselines(shape), strict=True):
                _write(axes, shape.x + shape.width / 2, y, text, centred=True)
        case Polyline():
            axes.plot(*zip(*shape.points, strict=True), color=QUIET, linewidth=0.9, solid_capstyle="butt")
            if shape.head:
                axes.add_patch(Polygon(head_of(shape), facecolor=QUIET, edgecolor="none"))
        case Sign():
            circle = Circle((shape.x, shape.y), 7.5, facecolor="none", edgecolor=QUIET, linewidth=0.9)
            axes.add_patch(circle)
            _write(axes, shape.x, shape.y + 4, shape.text, centred=True)
        case Text():
            # Mathematics for the index; what stands behind it is upright.
            text = f"${shape.text}_{{{shape.index}}}$" if shape.index else _literal(shape.text)
            _write(
                axes, shape.x, shape.y, text + _literal(shape.rest), centred=shape.centred, literal=False,
                color=QUIET if shape.style == "quiet" else INK,
                fontweight="bold" if shape.style == "bold" else "normal",
                fontstyle="italic" if shape.style == "italic" and not shape.index else "normal",
            )  # fmt: skip


def _write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    centred: bool,
    literal: bool = True,
    color: str = INK,
    **style: Any,
) -> None:
    axes.text(
        x, y, _literal(text) if literal else text, color=color, fontsize=FONT_SIZE * POINTS_PER_PIXEL,
        horizontalalignment="center" if centred else "left", verticalalignment="baseline",
        fontfamily=["DejaVu Sans"], **style,
    )  # fmt: skip


def _literal(text: str) -> str:
    """Return the text with its dollar signs escaped: matplotlib reads mathematics between two of them."""
    return text.replace("$", r"\$")
