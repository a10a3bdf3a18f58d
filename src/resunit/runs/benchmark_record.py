"""A measurement of a benchmark: one line of results/bench-SUBJECT.jsonl.

A record is frozen, typed and carries the number of its format. A line without that number is of format 1 and is
upgraded; a line of a newer format is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from resunit.runs.machine import Machine

WorkUnit = Literal["images", "FLOP", "bytes", "runs"]
Axis = Literal["depth", "width", "batch", "threads"]
Task = Literal["training step", "inference", "data loading"]
Condition = Literal["idle", "beside one busy core", "beside a second training"]


@dataclass(frozen=True)
class BenchmarkMachine(Machine):
    """The machine, the versions and the threads of a benchmark."""

    omp_num_threads: str | None = None
    """The environment variable OMP_NUM_THREADS, if it was set."""


@dataclass(frozen=True)
class Settings:
    """The settings that all entries of a benchmark share; a setting that does not apply is None."""

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
    task: Task | None = None
    """What is measured, where one benchmark measures several tasks."""
    condition: Condition | None = None
    """What the machine computes beside it, where a benchmark compares conditions."""


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
    """Facts about one entry other than its times; a fact that does not apply is None."""

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
    gpu: str | None = None
    """The name of the GPU that computed."""
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
    machine: BenchmarkMachine
    measurement: Measurement
    format: int = FORMAT


_DETAILS_SINCE_FORMAT_1 = {"stored": "activation_checkpointing", "way": "execution"}


def upgrade_benchmark(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 1, which was flat and called an entry "contestant", as one of format 2."""
    machine, settings, details = dict(record["machine"]), dict(record["settings"]), dict(record["details"])
    machine["omp_num_threads"] = machine.pop("OMP_NUM_THREADS", None)
    settings["peer"] = settings.pop("beside", None)
    if "seeds" in details:
        details = {"accuracy": _upgrade_errors(details)}
    details = {_DETAILS_SINCE_FORMAT_1.get(name, name): value for name, value in details.items()}
    measurement = {name: record[name] for name in ("subject", "seconds", "work", "unit", "network")}
    measurement |= {"entry": record["contestant"], "settings": settings, "details": details}
    return {"started": record["run"], "machine": machine, "measurement": measurement}


def _upgrade_errors(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "seeds": details["seeds"],
        "plain": details["test_errors"],
        "mirror": details["mirrored_views"],
        "tta": details["augmented_views"],
        "commit": details["commit"],
    }
