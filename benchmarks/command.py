"""`resunit bench SUBJECT`: measures, keeps the records and says what they mean."""

import inspect
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import accuracy, growth, infer, memory, program, startup, sweep, train
from benchmarks.contest import Report
from benchmarks.processes import MeasurementError
from benchmarks.records import describe_run, lines, path_of
from benchmarks.tables import measurements_table, verdicts_table
from benchmarks.verdicts import verdicts
from resunit.errors import UsageError, unknown
from resunit.io.jsonl import append_lines
from resunit.ops.processor import supports_bf16

SUBJECTS: dict[str, Callable[..., None]] = {
    "train": train.measure,
    "growth": growth.measure,
    "program": program.measure,
    "infer": infer.measure,
    "memory": memory.measure,
    "startup": startup.measure,
    "accuracy": accuracy.measure,
    "sweep": sweep.measure,
}


def bench(subject: str, options: dict[str, Any], out: Path, quiet: bool) -> dict[str, Any]:
    """Measure `subject`, keep its records in `out`, and return them with what they mean.

    `options` are keyword arguments of the subject's `measure`. Unless `quiet`, tables go to stdout and
    progress to stderr. Raises UsageError for an unknown subject, or an option or name that it does not take,
    and MeasurementError if nothing could be measured.
    """
    if subject not in SUBJECTS:
        raise unknown("subject", subject, SUBJECTS)
    measure = SUBJECTS[subject]
    known = inspect.signature(measure).parameters
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"bench {subject} takes no --{name.replace('_', '-')}")
        if name in ("batch_size", "rounds") and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if "out" in known:
        options = {**options, "out": out}
    report, run = Report(shown=not quiet), describe_run()
    if not supports_bf16(torch.device("cpu")):
        report.notice("this processor has no fast bf16: the best configurations use fp32")
    measure(report, **options)
    if not report.measurements:
        raise MeasurementError(f"nothing was measured: {'; '.join(report.notices)}")
    records = lines(report.measurements, run)
    path = path_of(out, subject)
    append_lines(path, records)
    found = verdicts(subject, report.measurements)
    if not quiet:
        console = Console(width=140)
        console.print(measurements_table(report.measurements))
        console.print(verdicts_table(found))
        console.print(*report.notices, f"records: {path}", sep="\n", highlight=False, soft_wrap=True)
    return {
        "subject": subject,
        **run,
        "measurements": [asdict(measurement) for measurement in report.measurements],
        "ratios": [{**asdict(verdict), "met": verdict.met} for verdict in found],
        "notices": report.notices,
        "records": str(path),
    }
