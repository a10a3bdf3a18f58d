"""A log as comma-separated values, with a line for each evaluation."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from resunit.io.atomic import write_atomically
from resunit.runs.schema import LogLine

COLUMNS = tuple(field.name for field in fields(LogLine) if field.name != "format")


class CsvFile:
    """A file that is written anew, whole, for each change of the log: a log has a line for each evaluation only."""

    def __init__(self, path: Path):
        self.path = path

    def write(self, lines: Sequence[LogLine]) -> None:
        """Make the file hold these lines below the names of their fields; what is not known is empty."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([getattr(line, name) for name in COLUMNS] for line in lines)
        write_atomically(self.path, text.getvalue().encode())

    def close(self) -> None:
        """Do nothing: each write is whole."""
