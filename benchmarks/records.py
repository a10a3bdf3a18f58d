"""The records of benchmarks: one measurement a line of results/bench-SUBJECT.jsonl."""

import os
from datetime import UTC, datetime
from pathlib import Path

from resunit.runs import record_files
from resunit.runs.benchmark_record import (
    Axis,
    BenchmarkMachine,
    BenchmarkRecord,
    Condition,
    Details,
    Measurement,
    SeedErrors,
    Settings,
    Task,
    WorkUnit,
    upgrade_benchmark,
)
from resunit.training.environment import describe_machine

__all__ = [
    "Axis",
    "BenchmarkMachine",
    "BenchmarkRecord",
    "Condition",
    "Details",
    "Measurement",
    "SeedErrors",
    "Settings",
    "Task",
    "WorkUnit",
    "current_time",
    "describe_benchmark_machine",
    "path_of",
    "read_newest_records",
    "read_records",
]


def describe_benchmark_machine() -> BenchmarkMachine:
    """Return the description of the machine that this process runs on."""
    return BenchmarkMachine(**vars(describe_machine()), omp_num_threads=os.environ.get("OMP_NUM_THREADS"))


def current_time() -> str:
    """Return the time in UTC as records hold it, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def path_of(folder: Path, subject: str) -> Path:
    """Return the file in `folder` that holds the records of `subject`."""
    return folder / f"bench-{subject}.jsonl"


def read_records(path: Path) -> list[BenchmarkRecord]:
    """Return the records in `path`, upgraded to the newest format; none if there is no such file.

    Raises:
        FileFormatError: a line is damaged or of a newer format; the message names the file and the line.
    """
    return record_files.read_all(BenchmarkRecord, path, upgrade=upgrade_benchmark)


def read_newest_records(folder: Path, subject: str) -> dict[str, list[BenchmarkRecord]]:
    """Return the records of the newest benchmark of `subject` for each kind of processor, such as "AVX2".

    Raises:
        FileFormatError: a line is damaged or of a newer format; the message names the file and the line.
    """
    records = read_records(path_of(folder, subject))
    newest = {record.machine.cpu_capability: record.started for record in records}
    return {
        kind: [
            record for record in records if (record.machine.cpu_capability, record.started) == (kind, started)
        ]
        for kind, started in newest.items()
    }
