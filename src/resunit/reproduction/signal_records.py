"""The paper's designs from recorded experiments: what training measured on its way, not trained again."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resunit.errors import FileFormatError, UsageError
from resunit.io.jsonl import read_lines
from resunit.models.designs import DESIGNS
from resunit.reproduction.signal_figure import MEASURES

RECIPE = ("scale", "steps", "batch_size", "precision", "numerics")  # equal in runs that may be compared
NEEDED = ("model", "design", "options", "data", "seed", "status", *RECIPE)


def recorded_designs(path: Path, model: str, *, steps: int, data: str) -> dict[str, dict[str, Any]]:
    """By design, a record as `measure_designs` yields; `path` holds an experiment a line.

    Of each design the run with its default options and the lowest seed, the last line if there are several.
    Raises UsageError if nothing there can be drawn or compared, and OSError for damaged files.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for experiment in _experiments(path):
        design = experiment["design"]
        if experiment["model"] != model or experiment["data"] != data or not _has_defaults(experiment):
            continue
        if design not in chosen or experiment["seed"] <= chosen[design]["seed"]:
            chosen[design] = experiment
    if not chosen:
        raise UsageError(
            f"{path} has no run of {model} on {data} with propagation; choose another MODEL or --data"
        )
    if len(recipes := {tuple(map(str, map(run.get, RECIPE))) for run in chosen.values()}) > 1:
        raise UsageError(
            f"{path} mixes runs that cannot be compared: {', '.join(RECIPE)} are {_listed(recipes)}"
        )
    measured = sorted({line["step"] for run in chosen.values() for line in run["propagation"]})
    for wanted in (0, steps):
        if wanted not in measured:
            known = ", ".join(map(str, measured))
            raise UsageError(
                f"{path} has no propagation at step {wanted}, only at {known}; set --steps to one of them"
            )
    paper = [name for name, row in DESIGNS.items() if row.of_the_paper and name in chosen]
    return {design: _record(chosen[design], steps) for design in paper}


def _experiments(path: Path) -> list[dict[str, Any]]:
    """The records in `path` that have propagation."""
    if not path.exists():
        raise FileFormatError(f"{path}: no such file; `resunit reproduce table1` makes one")
    found = [record for record in read_lines(path) if record.get("propagation")]
    for record in found:
        if missing := [name for name in NEEDED if name not in record]:
            raise FileFormatError(f"{path}: the record of a run lacks {missing[0]}; remove its line")
    return found


def _has_defaults(experiment: Mapping[str, Any]) -> bool:
    row = DESIGNS.get(experiment["design"])
    return row is not None and {**row.options, **experiment["options"]} == row.options


def _record(experiment: Mapping[str, Any], steps: int) -> dict[str, Any]:
    at = {line["step"]: line for line in experiment["propagation"]}
    return {
        "model": experiment["model"],
        "design": experiment["design"],
        "seed": experiment["seed"],
        "steps": steps,
        "data": experiment["data"],
        "status": experiment["status"],
        "remarks": [
            f"scale {experiment['scale']}",
            f"{experiment['steps']} steps of {experiment['batch_size']}",
        ],
        "initially": curves(at.get(0)),
        "trained": curves(at.get(steps)),
    }


def curves(line: Mapping[str, Any] | None) -> dict[str, list[float | None]] | None:
    """The drawn measures by depth, of one line that the watch of a training wrote."""
    if line is None:
        return None
    return {
        measure: [v if v is not None and math.isfinite(v) else None for v in line.get(measure, ())]
        for measure in MEASURES
    }


def _listed(recipes: set[tuple[str, ...]]) -> str:
    return " and ".join(" ".join(recipe) for recipe in sorted(recipes))
