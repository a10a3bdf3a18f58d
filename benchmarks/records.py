"""What was measured, a JSON line each, with the machine and the moment: results/bench-<subject>.jsonl."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import torch

from resunit.errors import FileFormatError
from resunit.io.fields import to_json
from resunit.io.jsonl import read_lines
from resunit.training.environment import describe_environment

Unit = Literal["images", "FLOP", "bytes", "runs"]


@dataclass(frozen=True)
class Measurement:
    """`seconds` that `contestant` took for `work` in each round.

    `contestant` is "resunit", a peer with its configuration, such as "pytorchcv best", or one of the
    machine's limits. Measurements of one run with equal `network` and `settings` took turns.
    """

    subject: str
    contestant: str
    seconds: tuple[float, ...]
    work: float
    unit: Unit
    network: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


def describe_run() -> dict[str, Any]:
    """The moment and the machine, for every line of a run."""
    environment = to_json(describe_environment(torch.device("cpu"), "", 1))
    left_out = ("device", "gpu", "world_size", "precision", "data_checksum", "format")
    machine = {name: value for name, value in environment.items() if name not in left_out}
    machine["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS")
    return {"run": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}


def lines(measurements: Iterable[Measurement], run: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{**run, **asdict(measurement)} for measurement in measurements]


def path_of(folder: Path, subject: str) -> Path:
    return folder / f"bench-{subject}.jsonl"


def newest(folder: Path, subject: str) -> tuple[dict[str, Any], list[Measurement]]:
    """The last run recorded of `subject`: its moment and machine, and what it measured; nothing if none was.

    Raises FileFormatError.
    """
    path = path_of(folder, subject)
    records = read_lines(path)
    try:
        last = [record for record in records if record["run"] == records[-1]["run"]]
        run = {name: last[0][name] for name in ("run", "machine")} if last else {}
        return run, [measurement(record) for record in last]
    except KeyError as error:
        raise FileFormatError(f"{path}: a record lacks {error}; remove the file and measure again") from error


def measurement(record: Mapping[str, Any]) -> Measurement:
    values: dict[str, Any] = {name: record[name] for name in Measurement.__dataclass_fields__}
    return Measurement(**{**values, "seconds": tuple(values["seconds"])})
