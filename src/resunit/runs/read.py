"""What a run wrote about itself, read back from its folder."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from resunit.errors import FileFormatError
from resunit.io.jsonl import read_lines
from resunit.runs.confusion import Confusion

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


def read_run(folder: Path) -> Run:
    """Read a run's folder; what a run did not come to write is empty. Raises FileFormatError."""
    evaluation = folder / "evaluation.json"
    return Run(
        folder=folder,
        recipe=_read(folder / "recipe.json"),
        environment=_read(folder / "environment.json"),
        log=read_lines(folder / "log.jsonl"),
        propagation=read_lines(folder / "propagation.jsonl"),
        result=_read(folder / "result.json"),
        evaluation=_read(evaluation) if evaluation.exists() else None,
    )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a recorded value can be drawn and compared: diverged runs record NaN, stopped ones null."""
    return isinstance(value, int | float) and math.isfinite(value)


def _read(path: Path) -> Record:
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FileFormatError(
            f"{path.parent}: no {path.name} there; a page needs a run that ended or was stopped"
        ) from None
    except ValueError as error:
        raise FileFormatError(f"{path}: damaged ({error}); the page is not written") from error
    if not isinstance(record, dict):
        raise FileFormatError(f"{path}: not a record of a run")
    return record
