"""A table that a page sorts by any of its columns: the data for the template ``sortable.html``."""

from collections.abc import Sequence
from dataclasses import dataclass

UNKNOWN = "–"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        key: the number that the cell is sorted by; None sorts it by its text.
        link: the address that the text leads to, relative to the page.
    """

    text: str
    key: float | None = None
    link: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the cell holds a value; cells without one stand last, however the table is sorted."""
        return self.text != UNKNOWN


@dataclass(frozen=True)
class SortableTable:
    """Rows whose first cell names them.

    Attributes:
        rows: the rows, each with a cell for each heading.
        notes: sentences on what the table shows.
        sorted_by: the place of the column whose values ascend; None if the rows have another order.
        optional: the places of the columns that a narrow terminal may leave out.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    sorted_by: int | None = None
    optional: Sequence[int] = ()

    def has_numbers(self, column: int) -> bool:
        """Return whether a column holds numbers, which stand at its right edge."""
        return any(row[column].key is not None for row in self.rows)
