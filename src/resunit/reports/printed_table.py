"""A sortable table printed: on a terminal and as Markdown, where nothing sorts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resunit.io.format import NO_BREAK_SPACE, escape_text
from resunit.io.sortable_table import SortableTable
from resunit.reports.markdown import render_markdown_table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

CHARACTERS_BETWEEN_COLUMNS = 2


def narrow_table(table: SortableTable, width: int) -> SortableTable:
    """Return the table without those of its last optional columns for which a terminal has no room.

    A note names the columns that were left out. A table that cannot fit keeps the columns that are needed. `width`
    is in characters.
    """
    kept = list(range(len(table.headings)))
    widths = [
        max(len(heading), *(len(row[column].text) for row in table.rows)) + CHARACTERS_BETWEEN_COLUMNS
        for column, heading in enumerate(table.headings)
    ]
    left_out: list[str] = []
    for column in reversed(table.optional):
        if sum(widths[place] for place in kept) <= width + CHARACTERS_BETWEEN_COLUMNS:
            break
        kept.remove(column)
        left_out.insert(0, table.headings[column])
    if not left_out:
        return table
    note = f"Not shown here, for lack of width: {', '.join(left_out)}."
    return SortableTable(
        [table.headings[column] for column in kept],
        [[row[column] for column in kept] for row in table.rows],
        (*table.notes, note),
    )


def table_for_terminal(table: SortableTable) -> RichTable:
    """Return a table that rich prints."""
    from rich.table import Table as RichTable
    from rich.text import Text

    printed = RichTable(box=None, pad_edge=False)
    for column, heading in enumerate(table.headings):
        justify = "right" if table.has_numbers(column) else "left"
        printed.add_column(Text(heading), justify=justify, overflow="fold")
    for row in table.rows:
        printed.add_row(*(Text(_make_plain(cell.text)) for cell in row))
    return printed


def table_in_markdown(title: str, table: SortableTable) -> str:
    """Return the table with its notes as a section of Markdown."""
    rows = [[_make_plain(cell.text) for cell in row] for row in table.rows]
    notes = [" ".join(table.notes)] if table.notes else []
    return "\n\n".join([f"## {title}", render_markdown_table(table.headings, rows), *notes]) + "\n"


def _make_plain(text: str) -> str:
    """Return a text with plain spaces, in which what a terminal cannot show is written out."""
    return escape_text(text.replace(NO_BREAK_SPACE, " "))
