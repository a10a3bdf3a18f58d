"""Pictures of units read back from their SVG: the texts of each column, from the top to the bottom."""

from collections import defaultdict
from dataclasses import dataclass
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class ReadUnit:
    """The texts of one unit: `columns` left to right, and what stands above and below the addition."""

    columns: list[list[str]]
    branch: list[str]
    after_addition: list[str]


def texts(svg: str) -> list[str]:
    """Return the texts of a picture in the order of the file."""
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def read_unit(svg: str) -> ReadUnit:
    """Return the texts in the boxes of a picture of one unit."""
    root = ElementTree.fromstring(svg)
    boxes = [
        (
            float(box.get("x", 0)) + float(box.get("width", 0)) / 2,
            float(box.get("y", 0)),
            float(box.get("height", 0)),
        )
        for box in root.iter(f"{SVG}rect")
        if box.get("class") != "paper"
    ]
    found: dict[float, list[tuple[float, str]]] = defaultdict(list)
    signs = {}
    for element in root.iter(f"{SVG}text"):
        x, y, text = float(element.get("x", 0)), float(element.get("y", 0)), "".join(element.itertext())
        if text in "+×":
            signs.setdefault(text, (x, y))
        elif any(abs(x - middle) < 0.1 and top < y < top + height for middle, top, height in boxes):
            found[x].append((y, text))
    columns = {x: sorted(column) for x, column in sorted(found.items())}
    x, addition = signs.get("+", (max(columns), float("inf")))
    stream = next(column for middle, column in columns.items() if abs(middle - x) < 0.1)
    return ReadUnit(
        columns=[[text for _, text in column] for column in columns.values()],
        branch=[text for y, text in stream if y < addition],
        after_addition=[text for y, text in stream if y > addition],
    )
