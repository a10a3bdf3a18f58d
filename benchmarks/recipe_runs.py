"""Runs of a named recipe on all of CIFAR-10: one run a line of results/RECIPE.jsonl."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.processes import MeasurementError
from resunit.runs import record_files
from resunit.runs.folder import RunFolder
from resunit.runs.recipe_run import RecipeRun, upgrade_recipe_run
from resunit.training.loop import train_or_resume
from resunit.training.recipe import Recipe, read_stored_recipe, recipe_from_json
from resunit.training.recipes import named_recipe


class RunStopped(MeasurementError):
    """A run was told to stop by a signal; the message says how it goes on."""


def path_of_runs(folder: Path, recipe: str) -> Path:
    """Return the file in `folder` that holds the runs of a recipe."""
    return folder / f"{recipe}.jsonl"


def read_runs(path: Path) -> list[RecipeRun]:
    """Return the runs in `path`, upgraded to the newest format; none if there is no such file.

    Raises:
        FileFormatError: a line is damaged or of a newer format; the message names the file and the line.
    """
    return record_files.read_all(RecipeRun, path, upgrade=_upgrade)


def finish_run(name: str, seed: int, path: Path, quiet: bool) -> RecipeRun:
    """Train a recipe on all of CIFAR-10, or go on with the run that is there, and return its summary.

    Args:
        name: the name of the recipe.
        seed: the seed of the run.
        path: the folder of the run.
        quiet: whether nothing is shown meanwhile.

    Raises:
        RunStopped: the run was told to stop.
    """
    recipe = replace(named_recipe(name), data="cifar10", seed=seed)
    is_new = not path.exists()
    result = train_or_resume(recipe, path, quiet=quiet)
    if result.status == "stopped":
        raise RunStopped(f"{path}: stopped; give the same command again to go on")
    folder = RunFolder(path)
    environment, log = folder.read_environment(), folder.read_log()
    assert environment is not None
    mirror, tta = result.view("mirror"), result.view("tta")
    return RecipeRun(
        name=name,
        model=result.model,
        design=result.design,
        precision=result.precision,
        seed=result.seed,
        status=result.status,
        steps=result.steps,
        batch_size=result.images_seen // max(1, result.steps),
        test_error=result.test_error,
        best_test_error=result.best_test_error,
        mirror_error=mirror.error if mirror else None,
        tta_error=tta.error if tta else None,
        train_loss=log[-1].train_loss if log else None,
        train_flops=result.train_flops,
        evaluation_flops=result.evaluation_flops,
        wall_seconds=result.wall_seconds,
        alone=is_new,
        machine=f"{environment.processor}, {environment.threads} threads, {environment.machine}",
        resunit=environment.resunit,
        commit=environment.commit,
        recipe=without_seed(read_stored_recipe(folder)),
    )


def without_seed(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of a recipe but its seed, as JSON values; runs with equal ones are seeds of one recipe."""
    return {name: value for name, value in recipe.to_json().items() if name != "seed"}


def _upgrade(record: dict[str, Any]) -> dict[str, Any]:
    """Return a run of format 1 in format 2; fields that its recipe does not have get their defaults."""
    upgraded = upgrade_recipe_run(record)
    return {**upgraded, "recipe": without_seed(recipe_from_json(upgraded["recipe"]))}
