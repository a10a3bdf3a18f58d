"""Where the parts of a unit stand in its picture: the shortcut on the left, the branch on the right, x_l on top."""

from __future__ import annotations

from collections.abc import Sequence

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
BETWEEN_UNITS = 16.0
ONE_MINUS_G = DrawnLayer("1 − g")


class UnitLayout:
    """The shapes of one unit, collected from the top to the bottom.

    Attributes:
        shapes: the shapes so far.
        shortcut, gate, branch: the x of the column in which the layers of h, of g and of F stand.
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
        self.widths = {
            "shortcut": _width([layer for layer in unit.shortcut if not layer.gate]),
            "gate": _width([*gate, ONE_MINUS_G]) if gate else 0.0,
            "branch": _width(stream),
        }
        ends = (_end("l", unit.in_channels), _end("l+1", unit.out_channels))
        half = max(self.widths["branch"], *(_end_width(end) for end in ends)) / 2
        self.shortcut = MARGIN + max(self.widths["shortcut"] / 2, RADIUS)
        right = self.shortcut + max(self.widths["shortcut"] / 2, 0)
        self.gate = right + BETWEEN_COLUMNS + self.widths["gate"] / 2
        if gate:
            right = self.gate + self.widths["gate"] / 2
        self.branch = max(right + BETWEEN_COLUMNS + self.widths["branch"] / 2, MARGIN + half)
        self.width = self.branch + half + MARGIN
        self.gutter = self.branch - self.widths["branch"] / 2 - BETWEEN_COLUMNS / 2
        self._draw(unit, *ends)

    def _draw(self, unit: UnitDrawing, beginning: tuple[str, str], end: tuple[str, str]) -> None:
        self._end_of_stream(beginning)
        if unit.whole is not None:
            self.y = self._add_path([unit.whole], "branch", self.y)
        else:
            self.y = self._add_path(unit.shared_preact, "branch", self.y)
            self._add_paths(unit)
            first = self.y + ARROW + BOX_HEIGHT / 2
            if unit.after_addition:
                x = self.branch - self.widths["branch"] / 2 - 9
                self.shapes.append(Text(x, first + 4, "f", "italic", centred=True))
            self.y = self._add_path(unit.after_addition, "branch", self.y)
        self._add_arrow((self.branch, self.y), (self.branch, self.y + ARROW))
        self.y += ARROW + FONT_SIZE + 1
        self._end_of_stream(end)

    def _end_of_stream(self, end: tuple[str, str]) -> None:
        index, rest = end
        self.shapes.append(Text(self.branch, self.y, "x", "italic", centred=True, index=index, rest=rest))
        self.y += 6

    def _add_paths(self, unit: UnitDrawing) -> None:
        """Add both paths from the split to the addition; `y` is then the addition's lower edge."""
        split = self.y + ARROW
        self.shapes += [
            Polyline(((self.branch, self.y), (self.branch, split)), head=False),
            Text(self.shortcut + 4, split - 4, "h", "italic"),
            Text(self.branch + 5, split + 3, "F", "italic"),
            Polyline(((self.branch, split), (self.shortcut, split)), head=False),
        ]
        extra = max(0.0, self._height(unit.branch) - self._height(unit.shortcut) - 2 * RADIUS) / 2
        h_end = self._add_path(unit.shortcut, "shortcut", split, 0 if unit.gate else extra)
        f_end = self._add_path(unit.branch, "branch", split)
        if unit.gate:
            h_end = f_end = self._add_exclusive_gate(unit.gate, h_end, f_end)
        addition = max(h_end + RADIUS, f_end + ARROW + RADIUS)
        self._add_arrow((self.branch, f_end), (self.branch, addition - RADIUS))
        self._add_arrow((self.shortcut, h_end), (self.shortcut, addition), (self.branch - RADIUS, addition))
        self.shapes.append(Sign(self.branch, addition, "+"))
        self.y = addition + RADIUS

    def _add_path(self, layers: Sequence[DrawnLayer], column: str, y: float, skip: float = 0) -> float:
        """Add arrows and boxes downwards from `y` and `skip` pixels of line; return the last one's lower edge."""
        x = getattr(self, column)
        for layer in layers:
            if layer.gate:
                y = self._add_gate(layer, y + skip, y)
            else:
                height = _box_height(layer)
                self._add_arrow((x, y), (x, y + skip + ARROW))
                y += skip + ARROW
                width = self.widths[column]
                self.shapes.append(Box(x - width / 2, y, width, height, layer.lines, layer.kind))
                y += height
            skip = 0
        return y

    def _add_gate(self, layer: DrawnLayer, y: float, line_from: float) -> float:
        """Add g, which reads the shortcut, and the product (1 - g(x)) x; return the product's lower edge."""
        self._add_arrow((self.shortcut, y), (self.gate, y), (self.gate, y + ARROW))
        bottom = self._add_boxes((*layer.gate, ONE_MINUS_G), y)
        return self._add_product(self.shortcut, self.gate, line_from, bottom, bottom + ARROW)

    def _add_exclusive_gate(self, gate: tuple[DrawnLayer, ...], h_end: float, f_end: float) -> float:
        """Add g between the paths, and a product at the end of each; return the products' lower edge."""
        y = h_end + ARROW
        self._add_arrow((self.shortcut, y), (self.gate, y), (self.gate, y + ARROW))
        opened = self._add_boxes(gate, y)
        closed = self._add_path([ONE_MINUS_G], "gate", opened)
        product = max(closed + ARROW, f_end + ARROW + RADIUS)
        g = opened + ARROW / 2
        self._add_arrow(
            (self.gate, g), (self.gutter, g), (self.gutter, product), (self.branch - RADIUS, product)
        )
        self.shapes.append(Text(self.gutter + 8, product - 5, "g", "italic"))
        self._add_arrow((self.branch, f_end), (self.branch, product - RADIUS))
        self.shapes.append(Sign(self.branch, product, "×"))
        return self._add_product(self.shortcut, self.gate, h_end, closed, product)

    def _add_product(self, x: float, gate: float, y: float, gate_y: float, product: float) -> float:
        self._add_arrow((x, y), (x, product - RADIUS))
        self._add_arrow((gate, gate_y), (gate, product), (x + RADIUS, product))
        self.shapes.append(Sign(x, product, "×"))
        return product + RADIUS

    def _add_boxes(self, layers: Sequence[DrawnLayer], y: float) -> float:
        """Add a gate's boxes; the arrow to the first of them is there already."""
        first, *others = layers
        width = self.widths["gate"]
        self.shapes.append(
            Box(self.gate - width / 2, y + ARROW, width, _box_height(first), first.lines, first.kind)
        )
        return self._add_path(others, "gate", y + ARROW + _box_height(first))

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
    parts = [
        arrange_in_rows(
            [unit_picture(u.drawing, u.title) for u in network.units], LEGIBLE_WIDTH, BETWEEN_UNITS
        )
    ]
    if network.stem:
        parts.insert(0, _line("stem", network.stem))
    if network.head:
        parts.append(_line("head", network.head))
    return arrange_in_rows(parts, 0, BETWEEN_UNITS)


def _line(name: str, layers: Sequence[DrawnLayer]) -> VectorPicture:
    text = f"{name}: {' · '.join(line for layer in layers for line in layer.lines)}"
    return VectorPicture(MARGIN + text_width(text), FONT_SIZE + 6, (Text(MARGIN, FONT_SIZE + 2, text),))


def _end(index: str, channels: int | None) -> tuple[str, str]:
    return index, "" if channels is None else f", {channels} channels"


def _end_width(end: tuple[str, str]) -> float:
    return text_width("x" + "".join(end))


def _width(layers: Sequence[DrawnLayer]) -> float:
    """Return the width of a column's boxes."""
    texts = [line for layer in layers for line in layer.lines]
    return max(map(text_width, texts)) + BOX_PADDING if texts else 0.0


def _box_height(layer: DrawnLayer) -> float:
    return BOX_HEIGHT + LINE_HEIGHT * (len(layer.lines) - 1)
