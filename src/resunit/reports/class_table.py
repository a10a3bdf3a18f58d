"""The table of the classes of a run: images, error, and what each class was most often taken for."""

from resunit.io.format import format_percent
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.runs.confusion import Confusion


def make_class_table(confusion: Confusion) -> SortableTable:
    """Return the table, the highest error first; classes without images stand last."""
    judged = confusion.sort_hardest_first()
    rows = [
        (
            Cell(found.name),
            Cell(f"{found.images:,}", found.images),
            Cell(format_percent(found.error), found.error),
            Cell(UNKNOWN if found.taken_for is None else f"{found.taken_for} ({found.times:,})"),
        )
        for found in judged
    ]
    without = [
        (Cell(name), Cell("0", 0), Cell(UNKNOWN), Cell(UNKNOWN))
        for name, counts in zip(confusion.classes, confusion.counts, strict=True)
        if not sum(counts)
    ]
    return SortableTable(("class", "images", "error", "most often taken for"), [*rows, *without])
