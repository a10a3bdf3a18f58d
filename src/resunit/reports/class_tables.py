"""The tables of the classes of a run: their errors and what they were taken for, and their scores."""

from resunit.io.format import format_percent
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.runs.confusion import Confusion


def make_error_table(confusion: Confusion) -> SortableTable:
    """Return the errors of the classes, the highest first; classes without images stand last."""
    rows = [
        (
            Cell(found.name),
            Cell(f"{found.images:,}", found.images),
            Cell(format_percent(found.error), found.error),
            Cell(UNKNOWN if found.taken_for is None else f"{found.taken_for} ({found.times:,})"),
        )
        for found in confusion.sort_hardest_first()
    ]
    without = [
        (Cell(name), Cell("0", 0), Cell(UNKNOWN), Cell(UNKNOWN))
        for name, counts in zip(confusion.classes, confusion.counts, strict=True)
        if not sum(counts)
    ]
    return SortableTable(("class", "images", "error", "most often taken for"), [*rows, *without])


def make_score_table(confusion: Confusion) -> SortableTable:
    """Return precision, recall and F1 in the order of the classes, with the means over them as a note."""
    scores = confusion.score_classes()
    headings = ("precision", "recall", "F1")
    rows = [
        (Cell(name), *(Cell(UNKNOWN) if part is None else Cell(format_percent(part), part) for part in score))
        for name, score in zip(confusion.classes, scores, strict=True)
    ]
    means = []
    for heading, column in zip(headings, zip(*scores, strict=True), strict=True):
        if known := [value for value in column if value is not None]:
            means.append(f"{heading} {format_percent(sum(known) / len(known))}")
    notes = (f"Means over the classes: {', '.join(means)}.",) if means else ()
    return SortableTable(("class", *headings), rows, notes)
