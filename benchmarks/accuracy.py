"""Time and arithmetic to an accuracy: read from the runs that were recorded, or run afresh."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contest import Report
from benchmarks.processes import MeasurementError
from benchmarks.records import Measurement
from resunit.io.jsonl import append_lines, read_lines
from resunit.runs.folder import RunFolder
from resunit.training.loop import train_or_resume
from resunit.training.recipe import stored_recipe
from resunit.training.recipes import named_recipe

RECIPES = ("quick", "fast94")


class Stopped(MeasurementError):
    """A run was told to stop by a signal; it can go on."""


@dataclass(frozen=True)
class Published:
    """A result of others: that accuracy, in percent, for that many PFLOP of training; None if not stated."""

    name: str
    accuracy: float | None
    petaflop: float
    source: str


PUBLISHED = (
    Published("airbench94, with test-time augmentation", 94.0, 0.36, "Jordan 2024, arXiv:2404.00498"),
    Published("ResNet-18, standard training", None, 32.0, "Jordan 2024, arXiv:2404.00498"),
)


def measure(report: Report, *, out: Path, run: int = 0) -> None:
    """The runs of `quick` and `fast94` on CIFAR-10 in `out`/<recipe>.jsonl, those of the newest settings.

    `run` seeds of each are trained first, or go on where they were stopped, and are added to those records;
    their folders are `out`/runs/<recipe>-<seed>.
    """
    for recipe in RECIPES:
        path = out / f"{recipe}.jsonl"
        for seed in range(run):
            row = finished_run(recipe, seed, out / "runs" / f"{recipe}-{seed}", quiet=not report.shown)
            known = [(old["seed"], old["recipe"]) for old in read_lines(path)]
            if (row["seed"], row["recipe"]) not in known:
                append_lines(path, [row])
        rows = [row for row in read_lines(path) if row["status"] == "done"]
        if not rows:
            report.notice(f"{recipe}: no finished run is recorded in {path}")
            continue
        last = rows[-1]
        runs = list({row["seed"]: row for row in rows if row["recipe"] == last["recipe"]}.values())
        report.measurements.append(
            Measurement(
                "accuracy",
                recipe,
                tuple(row["wall_seconds"] for row in runs if row["alone"]),
                last["train_flops"],
                "FLOP",
                last["model"],
                details={
                    "seeds": [row["seed"] for row in runs],
                    "test_errors": [row["test_error"] for row in runs],
                    "mirrored_views": [row["test_error_mirrored_views"] for row in runs],
                    "tta": [row["test_error_augmented_views"] for row in runs],
                    "commit": last["commit"],
                },
            )
        )


def finished_run(name: str, seed: int, path: Path, quiet: bool) -> dict[str, Any]:
    """Train the recipe `name` on all of CIFAR-10 in the folder `path`; its line for the records."""
    recipe = replace(named_recipe(name), data="cifar10", seed=seed)
    started = not path.exists()
    result = train_or_resume(recipe, path, quiet=quiet)
    if result["status"] == "stopped":
        raise Stopped(f"stopped; the same command goes on from {path}")
    folder = RunFolder(path)
    log = json.loads(folder.log.read_text().splitlines()[-1])
    environment, settings = folder.read("environment.json"), stored_recipe(folder).to_json()
    kept = (
        "model", "design", "steps", "precision", "seed", "test_error", "best_test_error",
        "test_error_mirrored_views", "test_error_augmented_views", "status", "train_flops",
        "evaluation_flops", "wall_seconds",
    )  # fmt: skip
    return {
        "table": name,
        "row": name,
        "options": {},
        "scale": "full",
        **{field: result.get(field) for field in kept},
        "batch_size": result["images_seen"] // max(1, result["steps"]),
        "train_loss": log["train_loss"],
        "alone": started,  # trained here in one go; what resumed may have waited or shared the machine
        "machine": f"{environment['processor']}, {environment['threads']} threads, {environment['machine']}",
        "version": environment["resunit"],
        "commit": environment["commit"],
        "recipe": {field: value for field, value in settings.items() if field != "seed"},
    }
