"""Bring the records that ship with the package to the newest format; every number stays what it is.

    python tools/migrate_reproduction_records.py

Records of the newest format are left as they are, so that the program can run again.
"""

import json
from pathlib import Path

from resunit.io.atomic import write_atomically
from resunit.io.fields import to_json
from resunit.reproduction.evidence.records import SHIPPED, read_records


def migrate(path: Path) -> int:
    """Write the records in `path` in the newest format, and return how many there are."""
    records = read_records(path)
    lines = "".join(json.dumps(to_json(record), allow_nan=False) + "\n" for record in records)
    write_atomically(path, lines.encode())
    return len(records)


if __name__ == "__main__":
    for file in sorted(SHIPPED.glob("*.jsonl")):
        print(f"{file.name}: {migrate(file)} records")
