"""The paper's designs, each measured at initialisation, trained a little, and measured again."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from resunit.designs import DESIGNS
from resunit.dissection.design_figure import MEASURES, save_figure
from resunit.dissection.subjects import find_subject, measured
from resunit.files import write_atomically
from resunit.names import UsageError
from resunit.training.loop import train_or_resume
from resunit.training.recipe import Recipe, paper

WARMUP_STEPS = 24  # at 0.01, as in the mini scale of the paper's schedule


def measure_designs(
    model: str, *, steps: int, data: str, batch_size: int, seed: int, out: Path, quiet: bool
) -> Iterator[dict[str, Any]]:
    """Measure `model` in every design of the paper, before and after `steps` steps; draw after each.

    Yields a record a design. `out` keeps a run's folder and a record for each; what is there is not done
    again, and an interrupted run goes on, so that the same call resumes. A run that is stopped ends it.
    """
    if steps < 1:
        raise UsageError(f"--steps must be at least 1, not {steps}")
    out.mkdir(parents=True, exist_ok=True)
    records: dict[str, dict[str, Any]] = {}
    for design in (name for name, row in DESIGNS.items() if row.of_the_paper):
        path = out / f"{design}.json"
        if not path.exists():
            recipe = _recipe(model, design, steps=steps, data=data, batch_size=batch_size, seed=seed)
            status = train_or_resume(recipe, out / design, quiet=quiet)["status"]
            if status == "stopped":
                return
            record = {
                "model": model,
                "design": design,
                "seed": seed,
                "steps": steps,
                "data": data,
                "status": status,
                "initially": _curves(model, seed, data, batch_size, design=design),
                "trained": None if status != "done" else _curves(str(out / design), seed, data, batch_size),
            }
            write_atomically(path, json.dumps(record, allow_nan=False).encode())
        records[design] = _read(path, {"model": model, "seed": seed, "steps": steps, "data": data})
        save_figure(records, steps, out / "designs.png")
        yield records[design]


def _recipe(model: str, design: str, *, steps: int, data: str, batch_size: int, seed: int) -> Recipe:
    """The beginning of the paper's schedule: warm-up, then 0.1."""
    return replace(
        paper(),
        model=model,
        design=design,
        data=data,
        seed=seed,
        steps=steps,
        batch_size=batch_size,
        group_size=None,
        warmup=min(0.5, WARMUP_STEPS / steps),
        drops=(),
        checkpoint_every=max(1, steps // 4),
    )


def _read(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    record = json.loads(path.read_text())
    for name, value in asked.items():
        if record[name] != value:
            raise UsageError(f"{path} is of {name} {record[name]}, not {value}; choose another --out")
    return record


def _curves(
    target: str, seed: int, data: str, batch_size: int, design: str | None = None
) -> dict[str, list[float | None]]:
    """The drawn measures by depth."""
    result = measured(find_subject(target, design=design, data=data, batch_size=batch_size, seed=seed))
    curves = {}
    for name in MEASURES:
        values = [getattr(junction, name) for junction in result.junctions]
        curves[name] = [value if value is not None and math.isfinite(value) else None for value in values]
    return curves
