"""Subject "accuracy": time and arithmetic to an accuracy, from runs that are recorded or trained now."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipe_runs import finish_run, path_of_runs, read_runs
from benchmarks.records import Details, Measurement, SeedErrors
from benchmarks.session import Session
from resunit.runs import record_files
from resunit.runs.recipe_run import RecipeRun

RECIPES = ("quick", "fast94")


@dataclass(frozen=True)
class PublishedResult:
    """A result that others published: the arithmetic of a training, and its accuracy if they state it."""

    name: str
    accuracy_percent: float | None
    petaflop: float
    source: str


PUBLISHED = (
    PublishedResult("airbench94, with test-time augmentation", 94.0, 0.36, "Jordan 2024, arXiv:2404.00498"),
    PublishedResult("ResNet-18, standard training", None, 32.0, "Jordan 2024, arXiv:2404.00498"),
)


def measure(session: Session, *, out: Path, train_seeds: int = 0) -> None:
    """Summarise the recorded runs of the recipes `quick` and `fast94` on CIFAR-10.

    The runs stand in `out`/RECIPE.jsonl. Those with the newest settings count.

    Args:
        session: where measurements and notices go.
        out: the folder of the records.
        train_seeds: how many seeds of each recipe are trained first, in `out`/runs/RECIPE-SEED. A run that
            was stopped goes on, and a run that is recorded already is not trained again.

    Raises:
        RunStopped: a run was told to stop.
    """
    for recipe in RECIPES:
        path = path_of_runs(out, recipe)
        for seed in range(train_seeds):
            run = finish_run(recipe, seed, out / "runs" / f"{recipe}-{seed}", quiet=not session.shown)
            if not any(known.seed == seed and known.recipe == run.recipe for known in read_runs(path)):
                record_files.append_records(path, [run])
        done = [run for run in read_runs(path) if run.status == "done"]
        if done:
            session.measurements.append(summarise(recipe, done))
        else:
            session.notice(f"{recipe}: {path} holds no finished run; --train-seeds N trains N of them")


def summarise(recipe: str, done: list[RecipeRun]) -> Measurement:
    """Return the errors and times of the finished runs that have the settings of the newest one."""
    newest = done[-1]
    runs = list({run.seed: run for run in done if run.recipe == newest.recipe}.values())
    errors = SeedErrors(
        seeds=tuple(run.seed for run in runs),
        plain=tuple(run.test_error for run in runs if run.test_error is not None),
        mirror=tuple(run.mirror_error for run in runs if run.mirror_error is not None),
        tta=tuple(run.tta_error for run in runs if run.tta_error is not None),
        commit=newest.commit,
    )
    return Measurement(
        subject="accuracy",
        entry=recipe,
        seconds=tuple(run.wall_seconds for run in runs if run.alone and run.wall_seconds is not None),
        work=newest.train_flops,
        unit="FLOP",
        network=newest.model,
        details=Details(accuracy=errors),
    )
