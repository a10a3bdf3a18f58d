"""The table of what a network was measured at: its junctions, or its weight layers if it has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.io.sortable_table import Cell, SortableTable
from resunit.propagation.layer import Layer
from resunit.propagation.show.junction_table import make_junction_table, number_cell

if TYPE_CHECKING:
    from resunit.propagation.result import Propagation


def make_place_table(result: Propagation) -> SortableTable:
    """Return a row for each junction or weight layer, in the order of the forward pass."""
    return make_junction_table(result.junctions) if result.junctions else make_layer_table(result.layers)


def make_layer_table(layers: Sequence[Layer]) -> SortableTable:
    """Return a row for each weight layer."""
    headings = [
        "weight layer",
        "number",
        "function",
        "signal rms",
        "gradient",
        "weight gradient",
        "passed by",
    ]
    rows = [
        [
            Cell(layer.name),
            Cell(f"{number}", number),
            Cell(layer.function),
            number_cell(layer.signal_rms),
            number_cell(layer.gradient_gain),
            number_cell(layer.weight_gradient_gain),
            Cell(layer.passed_by or "nothing"),
        ]
        for number, layer in enumerate(layers, start=1)
    ]
    return SortableTable(headings, rows, sorted_by=headings.index("number"))
