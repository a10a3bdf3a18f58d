"""A table, figure or the claims of the paper, run and put beside what was published."""

import fnmatch
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from resunit.experiments.board import Board
from resunit.experiments.on_ray import RayTasks
from resunit.experiments.records import has_ended, path_of, read_records, records_of
from resunit.experiments.rows import TABLES
from resunit.experiments.runner import LocalProcesses, perform_all
from resunit.experiments.runs import experiments
from resunit.names import UsageError, unknown


def reproduce(
    name: str,
    *,
    scale: str,
    seeds: int,
    only: str,
    jobs: int,
    on: str,
    address: str | None,
    out: Path,
    data: str | None,
    settings: list[str],
    quiet: bool,
) -> list[dict[str, Any]]:
    """Bring all runs of the table `name` to their end; their records.

    Raises UsageError for what does not exist or does not fit, OSError for damaged records or a full disk, and
    Interrupted when it was stopped.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    for option, value in (("--seeds", seeds), ("--jobs", jobs)):
        if value < 1:
            raise UsageError(f"{option} must be at least 1, not {value}")
    table = TABLES[name]
    rows = tuple(row for row in table.rows if fnmatch.fnmatch(row.id, only))
    if not rows:
        raise unknown(f"row of {name}", only, [row.id for row in table.rows])
    table = replace(table, rows=rows)
    wanted = experiments(name, table, scale=scale, seeds=seeds, data=data, settings=settings)
    path = path_of(out, scale)
    executor = (
        RayTasks(address, max(1, (os.cpu_count() or 1) // jobs)) if on == "ray" else LocalProcesses(jobs)
    )
    before = [record for record in records_of(wanted, read_records(path)) if has_ended(record)]
    with Board(table, wanted, before, out, quiet) as board:
        for _ in perform_all(wanted, out, scale, executor, board):
            pass
    return records_of(wanted, read_records(path))
