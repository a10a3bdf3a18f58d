"""The records of benchmarks: one measurement a line of results/bench-SUBJECT.jsonl.

A record is frozen, typed and carries the number of its format. A line without that number is of format 1 and is
upgraded; a line of a newer format is refused.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch

from resunit.runs import schema
from resunit.training.environment import describe_environment

WorkUnit = Literal["images", "FLOP", "bytes", "runs"]
Axis = Literal["depth", "width", "batch", "threads"]


@dataclass(frozen=True)
class Machine:
    """The machine, the versions and the threads of a benchmark."""

    resunit: str
    commit: str | None
    python: str
    torch: str
    torchvision: str
    numpy: str
    machine: str
    """The operating system and the architecture, such as "Linux x86_64"."""
    processor: str
    cpu_capability: str
    """The instructions that torch uses, such as "AVX512"."""
    batch_norm: str
    """"compiled" for the C++ kernels of resunit, else "torch"."""
    threads: int
    cores: int | None
    omp_num_threads: str | None = None
    """The environment variable OMP_NUM_THREADS, if it was set."""


@dataclass(frozen=True)
class Settings:
    """What is equal for all entries that took turns; None where it does not apply."""

    batch_size: int | None = None
    image_size: int | None = None
    """Pixels a side."""
    threads: int | None = None
    peer: str | None = None
    """The library that took turns with resunit, where each library has turns of its own."""
    axis: Axis | None = None
    """The quantity that a sweep varies."""
    value: int | None = None
    """The place of the measurement on `axis`."""


@dataclass(frozen=True)
class SeedErrors:
    """Test errors, in percent, of the runs of one recipe; one value for each seed."""

    seeds: tuple[int, ...]
    plain: tuple[float, ...]
    """Errors on one plain view of each image."""
    mirror: tuple[float, ...]
    """Errors on the average over an image and its mirror image."""
    tta: tuple[float, ...]
    """Errors with test-time augmentation over six views."""
    commit: str | None
    """The commit of resunit that trained the newest of the runs."""


@dataclass(frozen=True)
class Details:
    """What is known of one entry beside its times; None where it does not apply."""

    precision: str | None = None
    layout: str | None = None
    """The memory format of the tensors."""
    activation_checkpointing: str | None = None
    sgd: str | None = None
    """torch's implementation of SGD, "fused" or "foreach", where the quicker one was chosen."""
    execution: str | None = None
    """How a library computed logits, such as "fp32, NCHW"."""
    data: str | None = None
    recipe: str | None = None
    parameters: int | None = None
    units: int | None = None
    """The number of residual units."""
    flops: int | None = None
    """The arithmetic of one repetition, 2 per multiply-add."""
    memory: int | None = None
    """The most bytes that were resident during the work, less the bytes that were resident before it."""
    accuracy: SeedErrors | None = None


@dataclass(frozen=True)
class Measurement:
    """The time that one entry took in each round.

    Measurements of one benchmark with equal `network` and `settings` took turns.
    """

    subject: str
    entry: str
    """"resunit", a library with its configuration, such as "pytorchcv best", or a limit of the machine."""
    seconds: tuple[float, ...]
    """Seconds for one repetition of the work, one value for each round."""
    work: int
    """The amount of work in one repetition, in units of `unit`."""
    unit: WorkUnit
    network: str | None = None
    settings: Settings = Settings()
    details: Details = Details()


@dataclass(frozen=True)
class BenchmarkRecord:
    """A measurement, the machine that it was made on, and the time at which its benchmark was started."""

    FORMAT: ClassVar[int] = 2

    started: str
    """A time in UTC as ISO 8601 writes it; equal for all records of one benchmark."""
    machine: Machine
    measurement: Measurement
    format: int = FORMAT


def describe_machine() -> Machine:
    """Return the description of the machine that this process runs on."""
    environment = describe_environment(torch.device("cpu"), "", 1)
    return Machine(
        resunit=environment.resunit,
        commit=environment.commit,
        python=environment.python,
        torch=str(environment.torch),  # torch gives its version as a subclass of str.
        torchvision=environment.torchvision,
        numpy=environment.numpy,
        machine=environment.machine,
        processor=environment.processor,
        cpu_capability=environment.cpu_capability,
        batch_norm=environment.batch_norm,
        threads=environment.threads,
        cores=environment.cores,
        omp_num_threads=os.environ.get("OMP_NUM_THREADS"),
    )


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
    return schema.read_all(BenchmarkRecord, path, upgrade=_upgrade)


def read_newest_records(folder: Path, subject: str) -> list[BenchmarkRecord]:
    """Return the records of the newest benchmark of `subject`; none if it was never measured.

    Raises:
        FileFormatError: a line is damaged or of a newer format; the message names the file and the line.
    """
    records = read_records(path_of(folder, subject))
    return [record for record in records if record.started == records[-1].started]


_DETAILS_SINCE_FORMAT_1 = {"stored": "activation_checkpointing", "way": "execution"}


def _upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 1, which was flat and called an entry "contestant", as one of format 2."""
    machine, settings, details = dict(record["machine"]), dict(record["settings"]), dict(record["details"])
    machine["omp_num_threads"] = machine.pop("OMP_NUM_THREADS", None)
    settings["peer"] = settings.pop("beside", None)
    if "seeds" in details:
        details = {"accuracy": _upgraded_errors(details)}
    details = {_DETAILS_SINCE_FORMAT_1.get(name, name): value for name, value in details.items()}
    measurement = {name: record[name] for name in ("subject", "seconds", "work", "unit", "network")}
    measurement |= {"entry": record["contestant"], "settings": settings, "details": details}
    return {"started": record["run"], "machine": machine, "measurement": measurement}


def _upgraded_errors(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seeds": details["seeds"],
        "plain": details["test_errors"],
        "mirror": details["mirrored_views"],
        "tta": details["augmented_views"],
        "commit": details["commit"],
    }
