"""The paper's designs side by side: what reaches each depth, at initialisation and after some training."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resunit.designs import DESIGNS
from resunit.dissection.subjects import find_subject, measured
from resunit.files import write_atomically
from resunit.names import UsageError
from resunit.training.loop import resume, train
from resunit.training.recipe import Recipe, paper
from resunit.training.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = (
    ("gradient_gain", "gradient dE/dx, relative to the last junction"),
    ("lambda_product", "product of lambda since the stage's first unit"),
)
FLOOR = 1e-12  # drawn; a product of 1x1 shortcuts is far below and would squeeze all others together
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
            status = _trained(recipe, out / design, quiet)
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
        records[design] = json.loads(path.read_text())
        buffer = io.BytesIO()
        figure(records).savefig(buffer, format="png", dpi=150)
        write_atomically(out / "designs.png", buffer.getvalue())
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


def _trained(recipe: Recipe, folder: Path, quiet: bool) -> str:
    """Train, or go on with what an interruption left; the run's status."""
    if (folder / "result.json").exists():
        status = RunFolder(folder).read("result.json")["status"]
        if status != "stopped":
            return status
    if (folder / "recipe.json").exists():
        return resume(folder, quiet=quiet)["status"]
    return train(recipe, out=folder, quiet=quiet)["status"]


def _curves(
    target: str, seed: int, data: str, batch_size: int, design: str | None = None
) -> dict[str, list[float | None]]:
    """The drawn measures by depth."""
    result = measured(find_subject(target, design=design, data=data, batch_size=batch_size, seed=seed))
    curves = {}
    for name, _ in PANELS:
        values = [getattr(junction, name) for junction in result.junctions]
        curves[name] = [value if value is not None and math.isfinite(value) else None for value in values]
    return curves


def figure(records: Mapping[str, Mapping[str, Any]]) -> Figure:
    """One column before and one after training, one line a design."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(12, 8), layout="constrained")
    grid = drawing.subplots(len(PANELS), 2, sharex=True, sharey="row")
    colours = colormaps["tab20"]
    for row, (name, title) in enumerate(PANELS):
        for column, when in enumerate(("initially", "trained")):
            axes = grid[row][column]
            for number, (design, record) in enumerate(records.items()):
                if record[when] is None:
                    continue
                heights = [math.nan if not v else abs(v) for v in record[when][name]]
                axes.plot(
                    range(1, len(heights) + 1), heights, label=design, color=colours(number), linewidth=1.3
                )
            axes.set_yscale("log")
            axes.set_ylim(bottom=max(axes.get_ylim()[0], FLOOR))
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            steps = next(iter(records.values()))["steps"]
            axes.set_title(
                f"{title}, {'at initialisation' if column == 0 else f'after {steps} steps'}", fontsize=9
            )
    for axes in grid[-1]:
        axes.set_xlabel("unit")
    handles, labels = grid[0][0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    return drawing
