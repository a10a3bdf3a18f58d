"""The layout of a unit's picture: the shortcut on the left, the branch on the right, x_l on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resunit.models.drawing.layers import DrawnLayer
from resunit.models.drawing.shapes import (
    FONT_SIZE,
    LINE_HEIGHT,
    Box,
    Polyline,
    Shape,
    Sign,
    Text,
    VectorPicture,
    arrange_in_rows,
    text_width,
)
from resunit.models.drawing.units import NetworkDrawing, UnitDrawing

MARGIN, ARROW, RADIUS, BETWEEN_COLUMNS = 4.0, 12.0, 7.5, 15.0
BOX_HEIGHT, BOX_PADDING = 20.0, 10.0
LEGIBLE_WIDTH = 480.0  # Shown 420 pixels wide, the text of a picture of this width is 9.3 pixels high.
ONE_MINUS_G = DrawnLayer("1 − g")


@dataclass(frozen=True)
class Column:
    """A column of boxes, with the x of its centre line and the width of its boxes."""

    x: float
    width: float

    @property
    def left(self) -> float:
        """The x of the boxes' left edges."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The x of the boxes' right edges."""
        return self.x + self.width / 2


class UnitLayout:
    """The shapes of one unit, collected from the top to the bottom.

    Attributes:
        shortcut: the column of the layers of h.
        gate: the column of the layers of g; without a gate it stays empty.
        branch: the column of the layers of F, and of the layers before the split and after the addition.
        gutter: the x between the columns of g and F, where the arrow of an exclusive gate goes down.
        y: the lower end of what is drawn in the column of the branch so far.
        width: the width of everything but titles.
    """

    def __init__(self, unit: UnitDrawing, top: float):
        self.shapes: list[Shape] = []
        self.y = top
        gate = unit.gate or next((layer.gate for layer in unit.shortcut if layer.gate), ())
        stream = [
            *unit.shared_preact,
            *unit.branch,
            *unit.after_addition,
            *([unit.whole] if unit.whole else []),
        ]
        width = _width([layer for layer in unit.shortcut if not layer.gate])
        self.shortcut = Column(MARGIN + max(width / 2, RADIUS), width)
        width = _width([*gate, ONE_MINUS_G]) if gate else 0.0
        self.gate = Column(self.shortcut.right + BETWEEN_COLUMNS + width / 2, width)
        right = self.gate.right if gate else self.shortcut.right
        ends = (_end("l", unit.in_channels), _end("l+1", unit.out_channels))
        width = _width(stream)
        half = max(width, *(text_width("x" + "".join(end)) for end in ends)) / 2
        self.branch = Column(max(right + BETWEEN_COLUMNS + width / 2, MARGIN + half), width)
        self.width = self.branch.x + half + MARGIN
        self.gutter = self.branch.left - BETWEEN_COLUMNS / 2
        self._draw(unit, *ends)

    def _draw(self, unit: UnitDrawing, beginning: tuple[str, str], end: tuple[str, str]) -> None:
        self._end_of_stream(beginning)
        if unit.whole is not None:
            self.y = self._add_path([unit.whole], self.branch, self.y)
        else:
            self.y = self._add_path(unit.shared_preact, self.branch, self.y)
            self._add_paths(unit)
            first = self.y + ARROW + BOX_HEIGHT / 2
            if unit.after_addition:
                self.shapes.append(Text(self.branch.left - 9, first + 4, "f", "italic", centred=True))
            self.y = self._add_path(unit.after_addition, self.branch, self.y)
        self._add_arrow((self.branch.x, self.y), (self.branch.x, self.y + ARROW))
        self.y += ARROW + FONT_SIZE + 1
        self._end_of_stream(end)

    def _end_of_stream(self, end: tuple[str, str]) -> None:
        index, rest = end
        self.shapes.append(Text(self.branch.x, self.y, "x", "italic", centred=True, index=index, rest=rest))
        self.y += 6

    def _add_paths(self, unit: UnitDrawing) -> None:
        """Add both paths from the split to the addition; `y` is then the addition's lower edge."""
        split = self.y + ARROW
        left, right = self.shortcut.x, self.branch.x
        self.shapes += [
            Polyline(((right, self.y), (right, split)), head=False),
            Text(left + 4, split - 4, "h", "italic"),
            Text(right + 5, split + 3, "F", "italic"),
            Polyline(((right, split), (left, split)), head=False),
        ]
        extra = max(0.0, self._height(unit.branch) - self._height(unit.shortcut) - 2 * RADIUS) / 2
        h_end = self._add_path(unit.shortcut, self.shortcut, split, 0 if unit.gate else extra)
        f_end = self._add_path(unit.branch, self.branch, split)
        if unit.gate:
            h_end = f_end = self._add_exclusive_gate(unit.gate, h_end, f_end)
        addition = max(h_end + RADIUS, f_end + ARROW + RADIUS)
        self._add_arrow((right, f_end), (right, addition - RADIUS))
        self._add_arrow((left, h_end), (left, addition), (right - RADIUS, addition))
        self.shapes.append(Sign(right, addition, "+"))
        self.y = addition + RADIUS

    def _add_path(self, layers: Sequence[DrawnLayer], column: Column, y: float, skip: float = 0) -> float:
        """Add arrows and boxes downwards from `y` and `skip` pixels of line; return the last one's lower edge."""
        for layer in layers:
            if layer.gate:  # g reads the shortcut, and the product is (1 - g(x)) x.
                bottom = self._add_boxes((*layer.gate, ONE_MINUS_G), y + skip)
                y = self._add_product(y, bottom, bottom + ARROW)
            else:
                height = _box_height(layer)
                self._add_arrow((column.x, y), (column.x, y + skip + ARROW))
                y += skip + ARROW
                self.shapes.append(Box(column.left, y, column.width, height, layer.lines, layer.kind))
                y += height
            skip = 0
        return y

    def _add_exclusive_gate(self, gate: tuple[DrawnLayer, ...], h_end: float, f_end: float) -> float:
        """Add g between the paths, and a product at the end of each; return the products' lower edge."""
        opened = self._add_boxes(gate, h_end + ARROW)
        closed = self._add_path([ONE_MINUS_G], self.gate, opened)
        product = max(closed + ARROW, f_end + ARROW + RADIUS)
        branch, gutter, g = self.branch.x, self.gutter, opened + ARROW / 2
        self._add_arrow((self.gate.x, g), (gutter, g), (gutter, product), (branch - RADIUS, product))
        self.shapes.append(Text(gutter + 8, product - 5, "g", "italic"))
        self._add_arrow((branch, f_end), (branch, product - RADIUS))
        self.shapes.append(Sign(branch, product, "×"))
        return self._add_product(h_end, closed, product)

    def _add_product(self, h_end: float, gate_end: float, product: float) -> float:
        """Multiply the shortcut by the gate at the height `product`; return the product's lower edge."""
        x, gate = self.shortcut.x, self.gate.x
        self._add_arrow((x, h_end), (x, product - RADIUS))
        self._add_arrow((gate, gate_end), (gate, product), (x + RADIUS, product))
        self.shapes.append(Sign(x, product, "×"))
        return product + RADIUS

    def _add_boxes(self, layers: Sequence[DrawnLayer], y: float) -> float:
        """Add a gate's boxes, and the arrow that leaves the shortcut at `y`; return the last one's lower edge."""
        first, *others = layers
        gate, top = self.gate, y + ARROW
        self._add_arrow((self.shortcut.x, y), (gate.x, y), (gate.x, top))
        self.shapes.append(Box(gate.left, top, gate.width, _box_height(first), first.lines, first.kind))
        return self._add_path(others, gate, top + _box_height(first))

    def _height(self, layers: Sequence[DrawnLayer]) -> float:
        return sum(
            ARROW + _box_height(layer) if not layer.gate else self._height((*layer.gate, ONE_MINUS_G)) + ARROW
            for layer in layers
        )

    def _add_arrow(self, *points: tuple[float, float]) -> None:
        self.shapes.append(Polyline(points))


def unit_picture(unit: UnitDrawing, title: str) -> VectorPicture:
    """Return the picture of a unit below its title."""
    lines = [Text(MARGIN, FONT_SIZE + 2, title, "bold")]
    if unit.remark:
        lines.append(Text(MARGIN, lines[0].y + LINE_HEIGHT, unit.remark, "quiet"))
    layout = UnitLayout(unit, lines[-1].y + 2 * LINE_HEIGHT)
    width = max(layout.width, *(MARGIN + text_width(line.text, bold=True) for line in lines))
    return VectorPicture(width, layout.y + 4, (*lines, *layout.shapes))


def network_picture(network: NetworkDrawing) -> VectorPicture:
    """Return the picture of a network: the stem in a line, its distinct units, and the head in a line."""
    parts = [arrange_in_rows([unit_picture(u.drawing, u.title) for u in network.units], LEGIBLE_WIDTH)]
    if network.stem:
        parts.insert(0, _line("stem", network.stem))
    if network.head:
        parts.append(_line("head", network.head))
    return arrange_in_rows(parts, 0)


def _line(name: str, layers: Sequence[DrawnLayer]) -> VectorPicture:
    text = f"{name}: {' · '.join(line for layer in layers for line in layer.lines)}"
    return VectorPicture(MARGIN + text_width(text), FONT_SIZE + 6, (Text(MARGIN, FONT_SIZE + 2, text),))


def _end(index: str, channels: int | None) -> tuple[str, str]:
    return index, "" if channels is None else f", {channels} channels"


def _width(layers: Sequence[DrawnLayer]) -> float:
    """Return the width of a column's boxes."""
    texts = [line for layer in layers for line in layer.lines]
    return max(map(text_width, texts)) + BOX_PADDING if texts else 0.0


def _box_height(layer: DrawnLayer) -> float:
    return BOX_HEIGHT + LINE_HEIGHT * (len(layer.lines) - 1)
