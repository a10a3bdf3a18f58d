"""The paper's designs trained a little, each measured on its way: before the first step, and after some."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from resunit.errors import UsageError
from resunit.io.atomic import write_atomically
from resunit.io.jsonl import read_lines
from resunit.models.designs import DESIGNS
from resunit.reproduction.signal_figure import save_figure
from resunit.reproduction.signal_records import curves
from resunit.training.loop import train_or_resume
from resunit.training.recipe import Recipe
from resunit.training.recipes import paper

WARMUP_STEPS = 24  # at 0.01, as in the mini scale of the paper's schedule


def measure_designs(
    model: str, *, steps: int, data: str, batch_size: int, seed: int, out: Path, quiet: bool
) -> Iterator[dict[str, Any]]:
    """Train `model` in every design of the paper, measured before and after `steps` steps; draw after each.

    Yields a record a design. `out` keeps what was asked and a run's folder for each; what is there is not
    done again, and an interrupted run goes on, so that the same call resumes. A run that is stopped ends it.
    Raises UsageError where `out` holds runs of something else.
    """
    if steps < 1:
        raise UsageError(f"--steps must be at least 1, not {steps}")
    asked = {"model": model, "steps": steps, "data": data, "batch_size": batch_size, "seed": seed}
    out.mkdir(parents=True, exist_ok=True)
    _agree(out / "asked.json", asked)
    records: dict[str, dict[str, Any]] = {}
    for design in (name for name, row in DESIGNS.items() if row.of_the_paper):
        recipe = _recipe(model, design, steps=steps, data=data, batch_size=batch_size, seed=seed)
        status = train_or_resume(recipe, out / design, quiet=quiet)["status"]
        if status == "stopped":
            return
        at = {line["step"]: line for line in read_lines(out / design / "propagation.jsonl")}
        records[design] = {
            "design": design,
            **asked,
            "status": status,
            "remarks": [f"batches of {batch_size}"],
            "initially": curves(at.get(0)),
            "trained": curves(at.get(steps)),
        }
        save_figure(records, steps, out / "designs.png")
        yield records[design]


def _agree(path: Path, asked: dict[str, Any]) -> None:
    """Store what is asked of a new folder; raise UsageError if its runs were asked for something else."""
    if not path.exists():
        write_atomically(path, json.dumps(asked).encode())
    stored = json.loads(path.read_text())
    for name, value in asked.items():
        if stored[name] != value:
            raise UsageError(
                f"{path.parent} holds runs of {name} {stored[name]}, not {value}; choose another --out"
            )


def _recipe(model: str, design: str, *, steps: int, data: str, batch_size: int, seed: int) -> Recipe:
    """The beginning of the paper's schedule: warm-up, then 0.1.

    One step more than asked: the watch measures before a step.
    """
    return replace(
        paper(),
        model=model,
        design=design,
        data=data,
        seed=seed,
        steps=steps + 1,
        batch_size=batch_size,
        ghost_batch_size=None,
        warmup=min(0.5, WARMUP_STEPS / (steps + 1)),
        milestones=(),
        watch_propagation=steps,
        checkpoint_every=max(1, steps // 4),
    )
