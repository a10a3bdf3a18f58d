"""Records kept as files of JSON lines: read with checks, added to whole or not at all."""

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resunit.errors import CutOffRecord, FileFormatError
from resunit.io.atomic import write_atomically


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records in `path`; none if there is no such file.

    A last line that was cut off is left out with a CutOffRecord warning. Raises FileFormatError for any other
    line that is not a JSON object.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                warnings.warn(f"{path}, line {number}: cut off, left out", CutOffRecord, stacklevel=2)
                continue
            raise FileFormatError(f"{path}, line {number}: damaged ({error}); remove that line") from error
        if not isinstance(record, dict):
            raise FileFormatError(f"{path}, line {number}: not a record; remove that line")
        records.append(record)
    return records


def append_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Add `records` to `path`; a line that was cut off there is dropped. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    older = path.read_bytes() if path.exists() else b""
    end = older.rfind(b"\n") + 1
    older = older[:end] + (older[end:] + b"\n" if _is_record(older[end:]) else b"")
    new = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    write_atomically(path, older + new.encode())


def _is_record(line: bytes) -> bool:
    """A line without its end may be whole all the same, as `read_lines` takes it."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
