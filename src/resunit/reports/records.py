"""What a run wrote about itself, read back from its folder."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from resunit.reports.confusion import Confusion

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The records of one run, as they stand in its folder."""

    folder: Path
    recipe: Record
    environment: Record
    log: list[Record]
    propagation: list[Record]
    result: Record
    evaluation: Record | None

    @property
    def split(self) -> Literal["test", "validation"]:
        """The images this run was evaluated on during training."""
        return "validation" if "validation_error" in self.result else "test"

    @property
    def confusion(self) -> Confusion | None:
        """What the final weights took for what, if they were evaluated."""
        if self.evaluation is None:
            return None
        return Confusion(self.evaluation["classes"], self.evaluation["confusion"])

    @property
    def errors(self) -> list[tuple[float, float]]:
        """(epoch, error in percent on the split) of every evaluation that has both."""
        points = ((line.get("epoch"), line.get(f"{self.split}_error")) for line in self.log)
        return [(epoch, error) for epoch, error in points if is_number(epoch) and is_number(error)]

    @property
    def last_error(self) -> float | None:
        """The error in percent of the newest weights that were evaluated."""
        error = self.result.get(f"{self.split}_error")
        if is_number(error):
            return error
        return self.errors[-1][1] if self.errors else None


class RecordError(OSError):
    """A run's record that is missing or damaged."""


def read_run(folder: Path) -> Run:
    """Read a run's folder; what a run did not come to write is empty. Raises RecordError."""
    evaluation = folder / "evaluation.json"
    return Run(
        folder=folder,
        recipe=_read(folder / "recipe.json"),
        environment=_read(folder / "environment.json"),
        log=_read_lines(folder / "log.jsonl"),
        propagation=_read_lines(folder / "propagation.jsonl"),
        result=_read(folder / "result.json"),
        evaluation=_read(evaluation) if evaluation.exists() else None,
    )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a recorded value can be drawn and compared: diverged runs record NaN, stopped ones null."""
    return isinstance(value, int | float) and math.isfinite(value)


def _read(path: Path) -> Record:
    if not path.exists():
        raise RecordError(
            f"{path.parent}: no {path.name} there; a page needs a run that ended or was stopped"
        )
    return _parse(path, path.read_text(errors="replace"))


def _read_lines(path: Path) -> list[Record]:
    return [_parse(path, line) for line in path.read_text().splitlines() if line] if path.exists() else []


def _parse(path: Path, text: str) -> Record:
    try:
        record = json.loads(text)
    except ValueError as error:
        raise RecordError(f"{path}: damaged ({error}); the page is not written") from error
    if not isinstance(record, dict):
        raise RecordError(f"{path}: not a record of a run")
    return record
