"""Units drawn: into a file, or as SVG for a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from resunit.errors import UsageError
from resunit.io.atomic import write_atomically
from resunit.models.designs import DESIGNS
from resunit.models.drawing.layout import LEGIBLE_WIDTH, network_picture, unit_picture
from resunit.models.drawing.png_and_pdf import render_with_matplotlib
from resunit.models.drawing.shapes import VectorPicture, arrange_in_rows
from resunit.models.drawing.svg import render_svg
from resunit.models.drawing.units import UnitDrawing, network_drawing, unit_drawing
from resunit.models.network import build
from resunit.models.registry import network_spec

SUFFIXES = (".svg", ".png", ".pdf")
NETWORK_OF_DESIGNS = "resnet110"  # Tables 1 and 2 compare the designs in it.


def draw(model: nn.Module, path: str | Path) -> Path:
    """Draw a residual unit, or the distinct units of a network, and return the picture's path.

    The picture shows the module objects as they are: the shortcut h and the branch F with every layer in order,
    the addition, f behind it, and layers before the split. In a network, units that look alike are drawn once for
    each stage, with their number; the stem and the head are a line each.

    Args:
        model: a unit, or a network that holds units of resunit or of a design that was added.
        path: a file that ends in .svg, whose text is text and whose colours follow light and dark, .png or .pdf.

    Raises:
        UsageError: `model` has no unit of resunit, or `path` another ending.
        WriteError: the file cannot be written.
    """
    path = check_path(path)
    picture = network_picture(network_drawing(model))
    return _write(picture, f"The residual units of {type(model).__name__}", path)


def draw_designs(path: str | Path) -> Path:
    """Draw a unit of each of the paper's designs side by side, and return the path. Raises as `draw` does."""
    path = check_path(path)
    pictures = [unit_picture(drawing, design) for design, drawing in draw_each_design().items()]
    picture = arrange_in_rows(pictures, LEGIBLE_WIDTH)
    return _write(picture, "The residual units of the paper's designs", path)


def render_unit(model: nn.Module) -> str:
    """Return the SVG of the most frequent unit of `model`, or of `model` itself if it is a unit.

    Raises:
        UsageError: `model` has no unit of resunit.
    """
    most = max(network_drawing(model).units, key=lambda unit: unit.count)
    return render_svg(unit_picture(most.drawing, most.title), f"The residual unit: {most.title}")


def render_designs(others: Iterable[str] = ()) -> list[str]:
    """Return the SVG of a unit of each of the paper's designs, and of each known design among `others`."""
    return [
        render_svg(unit_picture(drawing, design), f"The residual unit of the design {design}")
        for design, drawing in draw_each_design(others).items()
    ]


def draw_each_design(others: Iterable[str] = ()) -> dict[str, UnitDrawing]:
    """Return the drawing of each of the paper's designs, and of each known design among `others`, by name.

    Each drawing shows a unit of ResNet-110 that keeps its size.
    """
    names = [name for name, design in DESIGNS.items() if design.of_the_paper and ":" not in name]
    names += [name for name in others if name in DESIGNS and name not in names]
    drawings = {}
    with torch.random.fork_rng(devices=[]):  # The networks draw weights, which no picture shows.
        for name in names:
            spec = network_spec(NETWORK_OF_DESIGNS, design=name)
            drawings[name] = unit_drawing(build(replace(spec, depths=(2, 1, 1))).get_submodule("stages.0.1"))
    return drawings


def check_path(path: str | Path) -> Path:
    """Return the path of a picture. Raises UsageError if its ending is none of a picture's."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a picture of units ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    return path


def _write(picture: VectorPicture, description: str, path: Path) -> Path:
    if path.suffix.lower() == ".svg":
        content = render_svg(picture, description).encode()
    else:
        content = render_with_matplotlib(picture, "png" if path.suffix.lower() == ".png" else "pdf")
    write_atomically(path, content)
    return path
