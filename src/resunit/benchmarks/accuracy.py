"""Time and arithmetic to an accuracy: read from the runs that were recorded, or run afresh."""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resunit.benchmarks.contest import Report
from resunit.benchmarks.records import Measurement, append, describe_run, read_lines
from resunit.training.loop import train
from resunit.training.recipe import named_recipe

RECIPES = ("quick", "fast94")


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
    """The runs of `quick` and `fast94` on CIFAR-10 in `out`/<recipe>.jsonl, those of the newest commit.

    `run` seeds of each are trained first, and added to those records.
    """
    for recipe in RECIPES:
        path = out / f"{recipe}.jsonl"
        if run:
            append(path, [finished_run(recipe, seed, quiet=not report.shown) for seed in range(run)])
        rows = [row for row in read_lines(path) if row["status"] == "done"]
        if not rows:
            report.notice(f"{recipe}: no finished run is recorded in {path}")
            continue
        last = rows[-1]
        runs = [row for row in rows if row["commit"] == last["commit"]]
        report.measurements.append(
            Measurement(
                "accuracy",
                recipe,
                tuple(row["wall_seconds"] for row in runs if row["wall_seconds"] is not None),
                last["train_flops"],
                "FLOP",
                last["model"],
                details={
                    "seeds": [row["seed"] for row in runs],
                    "test_errors": [row["test_error"] for row in runs],
                    "augmented_views": [row.get("test_error_augmented_views") for row in runs],
                    "commit": last["commit"],
                },
            )
        )


def finished_run(recipe: str, seed: int, quiet: bool) -> dict[str, Any]:
    """Train `recipe` on all of CIFAR-10; its line for the records."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        result = train(replace(named_recipe(recipe), data="cifar10", seed=seed), out=out, quiet=quiet)
        log = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
    machine = describe_run()["machine"]
    kept = (
        "model", "design", "steps", "precision", "seed", "test_error", "best_test_error",
        "test_error_mirrored_views", "test_error_augmented_views", "status", "train_flops",
        "evaluation_flops", "wall_seconds",
    )  # fmt: skip
    return {
        "table": recipe,
        "row": recipe,
        "options": {},
        "scale": "full",
        **{name: result.get(name) for name in kept},
        "batch_size": result["images_seen"] // max(1, result["steps"]),
        "train_loss": log["train_loss"],
        "machine": f"{machine['processor']}, {machine['threads']} threads, {machine['machine']}",
        "version": machine["resunit"],
        "commit": machine["commit"],
    }
