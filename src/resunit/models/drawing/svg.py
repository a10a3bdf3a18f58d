"""Pictures as SVG: text stays text, and the colours follow the reader's light or dark."""

from __future__ import annotations

import math
from html import escape

from resunit.models.drawing.shapes import (
    FONT_SIZE,
    LINE_HEIGHT,
    Box,
    Polyline,
    Shape,
    Sign,
    Text,
    VectorPicture,
)

EDGE = 8.0  # The free space around a picture.
HEAD_LENGTH, HEAD_HALF_WIDTH = 6.0, 3.0

# All rules begin with the class of the picture, because a page may hold the picture and its style inline.
STYLE = """
.unit-picture { background: #fff; }
.unit-picture text { fill: #1c2126; font: 11px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
.unit-picture .bold { font-weight: 600; }
.unit-picture .italic { font-style: italic; }
.unit-picture .upright { font-style: normal; }
.unit-picture .quiet { fill: #5d6770; }
.unit-picture .index { font-size: 8.5px; }
.unit-picture .line, .unit-picture .sign { fill: none; stroke: #5d6770; stroke-width: 1.2; }
.unit-picture .head { fill: #5d6770; }
.unit-picture .paper { fill: #fff; }
.unit-picture .weight { fill: #dbe9f8; stroke: #2c6cb0; }
.unit-picture .norm { fill: #fdebd3; stroke: #b46a00; }
.unit-picture .activation { fill: #ddf2e3; stroke: #2f8a4c; }
.unit-picture .other { fill: #eef0f3; stroke: #5d6770; }
@media screen and (prefers-color-scheme: dark) {
.unit-picture { background: #15191d; }
.unit-picture text { fill: #e4e8eb; }
.unit-picture .quiet { fill: #98a3ad; }
.unit-picture .line, .unit-picture .sign { stroke: #98a3ad; }
.unit-picture .head { fill: #98a3ad; }
.unit-picture .paper { fill: #15191d; }
.unit-picture .weight { fill: #1b3654; stroke: #74aee8; }
.unit-picture .norm { fill: #48330f; stroke: #e0a04a; }
.unit-picture .activation { fill: #1a3d27; stroke: #67c587; }
.unit-picture .other { fill: #2a3138; stroke: #98a3ad; }
}
"""


def render_svg(picture: VectorPicture, description: str) -> str:
    """Return a picture as one SVG element, a file or a part of a page; a screen reader speaks the description."""
    width, height = math.ceil(picture.width + 2 * EDGE), math.ceil(picture.height + 2 * EDGE)
    shapes = "\n".join(map(_element, picture.shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="unit-picture" role="img" width="{width}" '
        f'height="{height}" viewBox="{-EDGE:g} {-EDGE:g} {width} {height}">\n'
        f"<title>{escape(description)}</title>\n<style>{STYLE}</style>\n"
        f'<rect class="paper" x="{-EDGE:g}" y="{-EDGE:g}" width="{width}" height="{height}"/>\n'
        f"{shapes}\n</svg>\n"
    )


def head_of(line: Polyline) -> tuple[tuple[float, float], ...]:
    """Return the corners of an arrow's head."""
    (x0, y0), (x, y) = line.points[-2:]
    length = math.hypot(x - x0, y - y0)
    dx, dy = (x - x0) / length, (y - y0) / length
    back = (x - HEAD_LENGTH * dx, y - HEAD_LENGTH * dy)
    aside = (-HEAD_HALF_WIDTH * dy, HEAD_HALF_WIDTH * dx)
    return (x, y), (back[0] + aside[0], back[1] + aside[1]), (back[0] - aside[0], back[1] - aside[1])


def baselines(box: Box) -> list[float]:
    """Return the y of each line of text in a box."""
    middle = box.y + box.height / 2 + FONT_SIZE * 0.36
    return [middle + LINE_HEIGHT * (i - (len(box.lines) - 1) / 2) for i in range(len(box.lines))]


def _element(shape: Shape) -> str:
    match shape:
        case Box():
            rectangle = (
                f'<rect class="{shape.kind}" x="{shape.x:g}" y="{shape.y:g}" width="{shape.width:g}" '
                f'height="{shape.height:g}" rx="3"/>'
            )
            x = shape.x + shape.width / 2
            lines = zip(shape.lines, baselines(shape), strict=True)
            return rectangle + "".join(
                f'<text x="{x:g}" y="{y:g}" text-anchor="middle">{_text(text)}</text>' for text, y in lines
            )
        case Polyline():
            line = f'<polyline class="line" points="{_points(shape.points)}"/>'
            head = f'<polygon class="head" points="{_points(head_of(shape))}"/>' if shape.head else ""
            return line + head
        case Sign():
            return (
                f'<circle class="sign" cx="{shape.x:g}" cy="{shape.y:g}" r="7.5"/>'
                f'<text x="{shape.x:g}" y="{shape.y + 4:g}" text-anchor="middle">{shape.text}</text>'
            )
        case Text():
            anchor = ' text-anchor="middle"' if shape.centred else ""
            index = f'<tspan class="index" dy="3">{_text(shape.index)}</tspan>' if shape.index else ""
            rest = f'<tspan class="upright" dy="-3">{_text(shape.rest)}</tspan>' if shape.rest else ""
            return (
                f'<text class="{shape.style}" x="{shape.x:g}" y="{shape.y:g}"{anchor}>'
                f"{_text(shape.text)}{index}{rest}</text>"
            )


def _text(text: str) -> str:
    """Return a text for XML, which has no place for control characters."""
    return escape("".join(character if character.isprintable() else "?" for character in text))


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
