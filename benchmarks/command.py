"""`python -m benchmarks SUBJECT`: measure a subject, keep the records and say what they mean."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import (
    accuracy,
    busy,
    gpu,
    growth,
    infer,
    memory,
    program,
    serving,
    startup,
    sweep,
    train,
    watch,
)
from benchmarks.processes import MeasurementError
from benchmarks.records import BenchmarkRecord, current_time, describe_benchmark_machine, path_of
from benchmarks.session import Session
from benchmarks.tables import tabulate_measurements, tabulate_targets
from benchmarks.targets import check_targets
from resunit.errors import UsageError, unknown
from resunit.ops.processor import supports_bf16
from resunit.runs import record_files

SUBJECTS: dict[str, Callable[..., None]] = {
    "train": train.measure,
    "growth": growth.measure,
    "program": program.measure,
    "infer": infer.measure,
    "serving": serving.measure,
    "memory": memory.measure,
    "busy": busy.measure,
    "startup": startup.measure,
    "watch": watch.measure,
    "accuracy": accuracy.measure,
    "sweep": sweep.measure,
    "gpu": gpu.measure,
}
COUNTS = ("batch_size", "rounds", "train_seeds")


def measure_subject(subject: str, options: Mapping[str, Any], out: Path, quiet: bool) -> dict[str, Any]:
    """Measure `subject`, add its records to `out`, and return them with what they mean, as JSON values.

    Args:
        subject: the subject.
        options: keyword arguments of the subject's `measure`.
        out: the folder of the records.
        quiet: whether nothing is shown; otherwise tables go to stdout and progress to stderr.

    Raises:
        UsageError: there is no such subject, or it does not take an option or a name.
        MeasurementError: nothing could be measured.
    """
    if subject not in SUBJECTS:
        raise unknown("subject", subject, SUBJECTS)
    measure = SUBJECTS[subject]
    known = inspect.signature(measure).parameters
    for name, value in options.items():
        if name not in known:
            raise UsageError(f"{subject} takes no {option(name)}")
        if name in COUNTS and value < 1:
            raise UsageError(f"{option(name)} must be at least 1, not {value}")
    session, started, machine = Session(shown=not quiet), current_time(), describe_benchmark_machine()
    if subject != "gpu" and not supports_bf16(torch.device("cpu")):
        session.notice("this processor does not compute in bf16: the best configurations use fp32")
    measure(session, **options, **({"out": out} if "out" in known else {}))
    if not session.measurements:
        raise MeasurementError(f"nothing was measured: {'; '.join(session.notices)}")
    path = path_of(out, subject)
    record_files.append_records(
        path, [BenchmarkRecord(started, machine, measurement) for measurement in session.measurements]
    )
    checks = check_targets(subject, session.measurements)
    if not quiet:
        console = Console(width=140)
        console.print(tabulate_measurements(session.measurements))
        console.print(tabulate_targets(checks))
        console.print(*session.notices, f"records: {path}", sep="\n", highlight=False, soft_wrap=True)
    return {
        "subject": subject,
        "started": started,
        "machine": asdict(machine),
        "measurements": [asdict(measurement) for measurement in session.measurements],
        "checks": [{**asdict(check), "met": check.met} for check in checks],
        "notices": session.notices,
        "records": str(path),
    }


def option(name: str) -> str:
    """Return the option of the command line for a keyword argument."""
    return f"--{name.replace('_', '-')}"
