"""Rewrite committed records in the newest format: `python -m tools.migrate_records`, from the repository's root.

Readers upgrade older lines whenever they read them, so that this program is not needed for reading. It keeps the
committed files in one format. Running it again changes nothing.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy import RECIPES
from benchmarks.recipe_runs import path_of_runs, read_runs
from benchmarks.records import read_records
from resunit.io.atomic import write_atomically
from resunit.io.fields import to_json
from resunit.runs.record_files import Record

RESULTS = Path("results")


def migrate_benchmarks(folder: Path) -> list[Path]:
    """Rewrite the records of benchmarks and of the recipes' runs in `folder`; return the files that changed."""
    measurements = [path for path in sorted(folder.glob("bench-*.jsonl")) if migrate(path, read_records)]
    runs = [path_of_runs(folder, recipe) for recipe in RECIPES]
    return measurements + [path for path in runs if path.exists() and migrate(path, read_runs)]


def migrate(path: Path, read: Callable[[Path], Sequence[Record]]) -> bool:
    """Rewrite one file of JSON lines in the newest format, and return whether that changed it.

    Args:
        path: the file.
        read: the reader of the file, which upgrades older lines.

    Raises:
        ValueError: a number would be lost; the file is then left as it is.
    """
    older = path.read_text()
    newer = "".join(json.dumps(to_json(record), allow_nan=False) + "\n" for record in read(path))
    for number, lines in enumerate(zip(older.splitlines(), newer.splitlines(), strict=True), 1):
        before, after = (Counter(numbers_in(json.loads(line))) for line in lines)
        if lost := sorted((before - after).elements()):
            raise ValueError(f"{path}, line {number}: the numbers {lost} would be lost")
    write_atomically(path, newer.encode())
    return newer != older


def numbers_in(value: Any) -> Iterator[float]:
    """Yield all numbers in a JSON value, wherever they stand, but those of formats, which a migration replaces."""
    if isinstance(value, dict):
        value = [part for name, part in value.items() if name != "format"]
    if isinstance(value, list):
        for part in value:
            yield from numbers_in(part)
    elif isinstance(value, int | float):
        yield float(value)


if __name__ == "__main__":
    for changed in migrate_benchmarks(RESULTS):
        print(changed)
