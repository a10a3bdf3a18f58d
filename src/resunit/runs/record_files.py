"""Reading and writing typed records: older formats are upgraded, and newer ones refused by name."""

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from resunit.errors import FileFormatError, UsageError
from resunit.io.atomic import write_atomically
from resunit.io.fields import from_json, to_json
from resunit.io.json_text import parse_json
from resunit.io.jsonl import append_lines, read_lines
from resunit.runs.schema import Environment, ExperimentRecord, LogLine, PropagationLine, RunResult
from resunit.runs.upgrades import (
    upgrade_end_of_training,
    upgrade_environment,
    upgrade_experiment,
    upgrade_log_line,
    upgrade_propagation_line,
    upgrade_result,
)

CHECKSUM = "checksum"
"""The field of a stored record with the CRC-32 of all others. Files of older versions do not have it."""


class Record(Protocol):
    """A record: a dataclass with the newest format as a class attribute."""

    FORMAT: ClassVar[int]
    __dataclass_fields__: ClassVar[dict[str, Any]]


R = TypeVar("R", bound=Record)


Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""A function from a record of one format to the same record in the next format."""


def typed_record(cls: type[R], record: Mapping[str, Any], origin: str, upgrade: Upgrade | None = None) -> R:
    """Return `record` as the typed record `cls`, upgraded from an older format if need be.

    Args:
        cls: a class of `runs/schema.py`, or another class of records.
        record: the JSON object.
        origin: the file, and the line if it has several, for the message.
        upgrade: upgrades a record of format 1 of a class that is not of `runs/schema.py`.

    Raises:
        FileFormatError: the record is of a newer format, its checksum is wrong, or a field of it is unknown, missing
            or ill-typed.
    """
    current = dict(record)
    number = format_of(current, cls.FORMAT, origin)
    if CHECKSUM in current and current.pop(CHECKSUM) != _checksum(current):
        raise FileFormatError(
            f"{origin}: damaged (its checksum is not that of what was written); get another copy"
        )
    upgrades = _UPGRADES.get(cls, ()) if upgrade is None else (upgrade,)
    if number < cls.FORMAT:
        try:
            for step in upgrades[number - 1 :]:
                current = step(current)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FileFormatError(f"{origin}: damaged: {type(error).__name__} {error}") from error
    current["format"] = cls.FORMAT
    try:
        return from_json(cls, current)
    except UsageError as error:
        raise FileFormatError(f"{origin}: {error}") from error


def format_of(record: Mapping[str, Any], newest: int, origin: str) -> int:
    """Return the record's format number, 1 if it has none. Raises FileFormatError for a newer format."""
    number = record.get("format", 1)
    if type(number) is not int or number < 1:
        raise FileFormatError(f"{origin}: its format is {number!r}, which is no format number")
    if number > newest:
        writer = record.get("resunit") or record.get("version")
        by = f"resunit {writer}" if isinstance(writer, str) else "a newer resunit"
        raise FileFormatError(
            f"{origin}: written by {by} in format {number}, and this one reads up to {newest}; upgrade resunit"
        )
    return number


def read_file(cls: type[R], path: Path) -> R:
    """Return the typed record in the JSON file `path`. Raises FileFormatError naming the file."""
    return typed_record(cls, read_json(path), str(path))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`. Raises FileFormatError naming the file."""
    try:
        record = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"{path}: no such file; correct the path") from None
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FileFormatError(f"{path}: damaged ({error}); get another copy") from error
    if not isinstance(record, dict):
        raise FileFormatError(f"{path}: damaged (not a JSON object); get another copy")
    return record


def write_file(path: Path, record: Record) -> None:
    """Write a typed record with its checksum as a JSON file, whole or not at all. Raises WriteError."""
    write_json(path, with_checksum(record))


def with_checksum(record: Record) -> dict[str, Any]:
    """Return the JSON object of a record, with the checksum of its fields, which `typed_record` takes away."""
    fields = to_json(record)
    return {**fields, CHECKSUM: _checksum(fields)}


def _checksum(fields: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(fields, sort_keys=True).encode()):08x}"


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a JSON object as a file, whole or not at all. Raises WriteError."""
    write_atomically(path, (json.dumps(record, indent=2, allow_nan=False) + "\n").encode())


def read_all(cls: type[R], path: Path, upgrade: Upgrade | None = None) -> list[R]:
    """Return the typed records in a file of JSON lines; none if there is no such file.

    A last line that was cut off is left out with a warning. Raises FileFormatError naming file and line.
    """
    return [
        typed_record(cls, line, f"{path}, line {number}", upgrade)
        for number, line in enumerate(read_lines(path), 1)
    ]


def append_records(path: Path, records: Iterable[Record]) -> None:
    """Add typed records to a file of JSON lines, all or none. Raises WriteError."""
    append_lines(path, map(to_json, records))


# The functions from format 1 to 2, from 2 to 3 and so on. A format that only adds fields with defaults needs none.
_UPGRADES: dict[type, tuple[Upgrade, ...]] = {
    RunResult: (upgrade_result,),
    LogLine: (upgrade_log_line,),
    PropagationLine: (upgrade_propagation_line,),
    Environment: (upgrade_environment,),
    ExperimentRecord: (upgrade_experiment, upgrade_end_of_training),
}
