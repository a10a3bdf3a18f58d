"""The table of the junctions of a network: where each stands, what h and f are, and what passes."""

import math
from collections.abc import Sequence

from resunit.io.format import to_two_digits
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.propagation.junction import Junction

# The measures with a column beside the direct term, by the attribute of `Junction`. A measure that no
# junction has is left out.
COLUMNS = {
    "effective_lambda": "lambda",
    "lambda_r2": "R^2 of lambda",
    "gradient_gain": "gradient",
    "branch_share": "branch share",
    "stream_rms": "stream rms",
    "energy_cut": "energy cut",
    "cancellation_share": "cancelled",
    "loss_change": "lesion",
    "singular_value": "Jacobian",
    "sample_correlation": "correlation",
}
NO_FUNCTION = "none"


def make_junction_table(junctions: Sequence[Junction]) -> SortableTable:
    """Return a row for each junction, in the order of the forward pass."""
    measures = [name for name in COLUMNS if any(getattr(j, name) is not None for j in junctions)]
    headings = ["junction", "number", "stage", "direct_gain", "through h alone", "h", "f"]
    headings += [COLUMNS[name] for name in measures]
    rows = [
        [
            Cell(junction.name),
            Cell(f"{number}", number),
            Cell(f"{junction.stage}", junction.stage),
            number_cell(junction.direct_gain),
            number_cell(junction.shortcut_gain),
            Cell(_shortcut(junction)),
            Cell(", ".join(junction.f) or NO_FUNCTION),
            *(number_cell(getattr(junction, name)) for name in measures),
        ]
        for number, junction in enumerate(junctions, start=1)
    ]
    return SortableTable(headings, rows, sorted_by=headings.index("number"))


def _shortcut(junction: Junction) -> str:
    functions = ", ".join(junction.operations)
    return f"{junction.kind} ({functions})" if functions else junction.kind


def number_cell(value: float | None) -> Cell:
    """Return the cell of a measure, with two digits, that sorts by the whole number."""
    if value is None:
        return Cell(UNKNOWN)
    return Cell(to_two_digits(value), value) if math.isfinite(value) else Cell(str(value))
