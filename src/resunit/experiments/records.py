"""What ended: results/reproduce-SCALE.jsonl, one line a run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resunit.experiments.identity import NUMERICS
from resunit.experiments.runs import Experiment
from resunit.experiments.setting import recipe_of_scale
from resunit.json_lines import DamagedRecords, append_lines, read_lines

NEEDED = ("table", "row", "model", "design", "options", "data", "scale", "steps", "batch_size", "precision",
          "seed", "test_error", "train_loss", "status", "numerics", "identity")  # fmt: skip


def path_of(out: Path, scale: str) -> Path:
    return out / f"reproduce-{scale}.jsonl"


def read_records(path: Path) -> list[dict[str, Any]]:
    """The newest record of each run in `path`. Raises DamagedRecords, also for another NUMERICS version."""
    newest: dict[str, dict[str, Any]] = {}
    for number, record in enumerate(read_lines(path), 1):
        if missing := [name for name in NEEDED if name not in record]:
            raise DamagedRecords(
                f"{path}, line {number}: the record of a run lacks {missing[0]}; remove that line"
            )
        if record["numerics"] != NUMERICS:
            raise DamagedRecords(
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
