"""The runs that a comparison takes, made of each kind of record."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from resunit.reports.compared_run import ComparedRun
from resunit.runs.read import Run
from resunit.runs.recipe_run import RecipeRun
from resunit.runs.schema import CurvePoint, ExperimentRecord, LogLine
from resunit.training.recipe import Recipe, recipe_from_json

# These fields of an experiment's record are fields of its recipe.
RECIPE_FIELDS_OF_EXPERIMENTS = ("scale", "steps", "batch_size", "precision", "crop", "seed")


def compare_run(run: Run) -> ComparedRun:
    """Return the run in a folder. Raises FileFormatError if its recipe is damaged."""
    recipe = recipe_from_json(run.recipe, str(run.folder / "recipe.json"))
    result, page = run.result, run.folder / "report.html"
    return ComparedRun(
        name=run.folder.resolve().name,
        data=result.data,
        model=result.model,
        design=result.design,
        status=result.status,
        error=run.last_error,
        best_error=result.best_error,
        seconds=result.wall_seconds,
        split=run.split,
        images=run.judged_images,
        classes=len(run.evaluation.classes) if run.evaluation else None,
        fields=_fields_of(recipe),
        options=recipe.model_options,
        curve=tuple(map(point_of_curve, run.log)),
        page=page if page.exists() else None,
    )


def compare_recipe_run(run: RecipeRun, origin: str) -> ComparedRun:
    """Return a run of a named recipe. Raises FileFormatError naming `origin` if its recipe is damaged."""
    recipe = replace(recipe_from_json(run.recipe, origin), seed=run.seed, precision=run.precision)
    return ComparedRun(
        name=f"{run.name}, seed {run.seed}",
        data=recipe.data,
        model=run.model,
        design=run.design,
        status=run.status,
        error=run.test_error,
        best_error=run.best_test_error,
        seconds=run.wall_seconds,
        fields={**_fields_of(recipe), "batch_size": run.batch_size},
        options=recipe.model_options,
    )


def compare_experiment(record: ExperimentRecord) -> ComparedRun:
    """Return a recorded run of a row of a table, whose record holds some fields of the recipe."""
    fields = {name: value for name in RECIPE_FIELDS_OF_EXPERIMENTS if (value := getattr(record, name)) != ""}
    if record.recipe:
        fields["recipe_hash"] = record.recipe
    return ComparedRun(
        name=f"{' '.join(filter(None, (record.table, record.row)))}, seed {record.seed}",
        data=record.data,
        model=record.model,
        design=record.design,
        status=record.status,
        error=record.test_error,
        seconds=record.wall_seconds,
        split=record.split,
        images=record.curve[-1].test_images if record.curve else None,
        classes=record.classes,
        fields=fields,
        options=record.options,
        curve=record.curve,
    )


def point_of_curve(line: LogLine) -> CurvePoint:
    """Return the point of a curve that a line of a log is; its test error is of the images judged on."""
    return CurvePoint(line.step, line.train_loss, line.train_error, line.error, line.images)


def with_own_names(runs: Sequence[ComparedRun], folders: Sequence[Path | None]) -> list[ComparedRun]:
    """Return the runs with different names: equal names become the full name of the folder, or get a number.

    Args:
        runs: the runs.
        folders: the folder of each run, as the user named it; None for a line of a file.
    """
    counts = Counter(run.name for run in runs)
    fuller = [
        replace(run, name=str(folder)) if counts[run.name] > 1 and folder is not None else run
        for run, folder in zip(runs, folders, strict=True)
    ]
    seen: Counter[str] = Counter()
    named = []
    for run in fuller:
        seen[run.name] += 1
        named.append(run if seen[run.name] == 1 else replace(run, name=f"{run.name} ({seen[run.name]})"))
    return named


def _fields_of(recipe: Recipe) -> dict[str, object]:
    return {
        name: value for name, value in recipe.to_json().items() if name not in ("format", "model_options")
    }
