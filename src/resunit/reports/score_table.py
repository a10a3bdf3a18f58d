"""The table of the scores of each class of a run: precision, recall and F1."""

from resunit.io.format import format_percent
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.runs.confusion import ClassScore, Confusion


def make_score_table(confusion: Confusion) -> SortableTable:
    """Return the table in the order of the classes, with the means over them as a note."""
    scores = confusion.score_classes()
    rows = [
        (Cell(name), *map(_percent_cell, score))
        for name, score in zip(confusion.classes, scores, strict=True)
    ]
    return SortableTable(("class", "precision", "recall", "F1"), rows, _describe_means(scores))


def _percent_cell(value: float | None) -> Cell:
    return Cell(UNKNOWN) if value is None else Cell(format_percent(value), value)


def _describe_means(scores: list[ClassScore]) -> tuple[str, ...]:
    """Return a sentence with the means, each over the classes that have the number."""
    parts = []
    for name, values in zip(("precision", "recall", "F1"), zip(*scores, strict=True), strict=True):
        known = [value for value in values if value is not None]
        if known:
            parts.append(f"{name} {format_percent(sum(known) / len(known))}")
    return (f"Means over the classes: {', '.join(parts)}.",) if parts else ()
