"""Files of JSON lines, one record a line: checked on reading, and added to whole or not at all."""

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resunit.errors import CutOffRecord, FileFormatError
from resunit.io.atomic import named_refusals, write_atomically
from resunit.io.json_text import parse_json


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records in `path`; none if there is no such file.

    A last line that was cut off is left out with a CutOffRecord warning.

    Raises:
        FileFormatError: the file cannot be read, or another line is not a JSON object; the message names
            the file and the line.
    """
    lines = _content_of(path).splitlines(keepends=True)
    records = []
    if any(line.strip() for line in lines) and not any(line.lstrip().startswith(b"{") for line in lines):
        raise FileFormatError(
            f"{path}, line 1: no JSON object, and neither is any other line; name a run's folder or a file of records"
        )
    for number, line in enumerate(lines, 1):
        try:
            record = parse_json(line)
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
    """Add `records` to `path`, all or none; a line that was cut off there is dropped.

    Args:
        path: the file. It and its folder are made if there are none.
        records: JSON objects; NaN and infinity are refused.

    Raises:
        FileFormatError: the records that are already there cannot be read.
        WriteError: the operating system refused to write the file.
        ValueError: a record holds NaN or infinity.
    """
    new = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    with named_refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    older = _content_of(path)
    end = older.rfind(b"\n") + 1
    older = older[:end] + (older[end:] + b"\n" if _is_record(older[end:]) else b"")
    write_atomically(path, older + new.encode())


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror}); give another file") from error


def _is_record(line: bytes) -> bool:
    """Return whether a last line that has no line end is a whole record, which `read_lines` then reads."""
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False
