"""What ended: results/reproduce-SCALE.jsonl, one line a run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resunit.errors import FileFormatError
from resunit.io.jsonl import append_lines, read_lines
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.identity import NUMERICS
from resunit.reproduction.setting import recipe_of_scale

NEEDED = ("table", "row", "model", "design", "options", "data", "scale", "steps", "batch_size", "precision",
          "seed", "test_error", "train_loss", "status", "numerics", "identity")  # fmt: skip


def path_of(out: Path, scale: str) -> Path:
    return out / f"reproduce-{scale}.jsonl"


def read_records(path: Path) -> list[dict[str, Any]]:
    """The newest record of each run in `path`. Raises FileFormatError, also for another NUMERICS version."""
    newest: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(read_lines(path), 1):
        if missing := [name for name in NEEDED if name not in record]:
            raise FileFormatError(
                f"{path}, line {number}: the record of a run lacks {missing[0]}; remove that line"
            )
        if record["numerics"] != NUMERICS:
            raise FileFormatError(
                f"{path}, line {number}: made with NUMERICS {record['numerics']}, and this is {NUMERICS}; "
                "such numbers cannot stand side by side: move the file away or choose another --out"
            )
        # The first records had no such hash; all of them are of their scale's own recipe.
        record.setdefault("recipe", recipe_of_scale(record["scale"]))
        newest[record["identity"]] = record
    return list(newest.values())


def has_ended(record: Mapping[str, Any]) -> bool:
    """Is nothing left to do? A failed run is tried again."""
    return record["status"] in ("done", "diverged")


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Raises OSError, with what was there before left as it was."""
    append_lines(path, [record])


def records_of(experiments: Iterable[Experiment], records: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Those of `records` that are of these runs."""
    wanted = {experiment.identity for experiment in experiments}
    return [record for record in records if record["identity"] in wanted]
