"""Tables on a terminal."""

import sys

from resunit.io.sortable_table import SortableTable

CHARACTERS_OF_A_FILE = 1000


def print_table(table: SortableTable) -> None:
    """Print a table and its notes, as wide as the terminal is."""
    from rich.console import Console
    from rich.text import Text

    from resunit.reports.printed_table import narrow_table, table_for_terminal

    # What is not a terminal is a file or a program, which wants each row on one line.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else CHARACTERS_OF_A_FILE)
    table = narrow_table(table, console.width)
    console.print(table_for_terminal(table))
    for note in table.notes:
        console.print(Text(note), soft_wrap=True)
