"""Shapes that pictures of units are made of; lengths are pixels, and y points down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from resunit.models.drawing.layers import BoxKind

FONT_SIZE, LINE_HEIGHT, CHARACTER_WIDTH = 11.0, 14.0, 6.4  # of the text in boxes, in pixels
BETWEEN_PICTURES = 16.0
TextStyle = Literal["plain", "bold", "italic", "quiet"]


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text around its centre."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    kind: BoxKind


@dataclass(frozen=True)
class Polyline:
    """A line through points; an arrow if it has a head."""

    points: tuple[tuple[float, float], ...]
    head: bool = True


@dataclass(frozen=True)
class Sign:
    """A circle of a sum or a product; `text` is + or ×."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Text:
    """One line of text from (x, y) to the right, or around it; y is the line that letters stand on.

    `index` is set lower and smaller behind the text, and `rest` stands upright behind the index.
    """

    x: float
    y: float
    text: str
    style: TextStyle = "plain"
    centred: bool = False
    index: str = ""
    rest: str = ""


Shape: TypeAlias = Box | Polyline | Sign | Text


@dataclass(frozen=True)
class VectorPicture:
    """Shapes within a width and a height."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


def move(shape: Shape, right: float, down: float) -> Shape:
    """Return the shape at another place."""
    if isinstance(shape, Polyline):
        return replace(shape, points=tuple((x + right, y + down) for x, y in shape.points))
    return replace(shape, x=shape.x + right, y=shape.y + down)


def text_width(text: str, bold: bool = False) -> float:
    """Return the width that a text takes, generously: the reader's font is not known."""
    return len(text) * CHARACTER_WIDTH * (1.1 if bold else 1.0)


def arrange_in_rows(pictures: Iterable[VectorPicture], width: float) -> VectorPicture:
    """Return the pictures in rows, as words stand in lines; a picture that is wider than `width` has its own row."""
    rows: list[list[VectorPicture]] = []
    for picture in pictures:
        if rows and sum(p.width + BETWEEN_PICTURES for p in rows[-1]) + picture.width <= width:
            rows[-1].append(picture)
        else:
            rows.append([picture])
    shapes: list[Shape] = []
    top = right = 0.0
    for row in rows:
        left = 0.0
        for picture in row:
            shapes += [move(shape, left, top) for shape in picture.shapes]
            left += picture.width + BETWEEN_PICTURES
        right = max(right, left - BETWEEN_PICTURES)
        top += max(picture.height for picture in row) + BETWEEN_PICTURES
    return VectorPicture(right, max(top - BETWEEN_PICTURES, 0), tuple(shapes))
