"""Training, top to bottom: a recipe in, a run folder and its result out."""

import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from resunit.errors import RunError
from resunit.runs.folder import RunFolder, create_run_folder, default_folder
from resunit.training.batches import Group
from resunit.training.clock import Clock
from resunit.training.display import Display
from resunit.training.ghost_batch_norm import set_momentum
from resunit.training.propagation_watch import PropagationWatch
from resunit.training.recipe import Recipe, stored_recipe
from resunit.training.recipes import quick
from resunit.training.records import RunWriter
from resunit.training.setup import TrainingSetup, prepare
from resunit.training.signals import stop_requests
from resunit.training.state import Progress

SECONDS_BETWEEN_CHECKPOINTS = 600
RESOLVED = {
    "data",
    "batch_size",
    "precision",
    "activation_checkpointing",
}  # what a stored recipe says more exactly


def train(
    recipe: Recipe | None = None, *, out: str | Path | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Train as `recipe` says (by default `quick`, on CIFAR-10) and return what result.json in `out` holds.

    `out` is a new folder, by default one under runs/; its `status` is "done", "diverged" or "stopped" (by
    Ctrl-C or SIGTERM, after a checkpoint). Raises UsageError for a recipe that does not fit together,
    DataError for data that cannot be had, and RunError for a folder in use.
    """
    job = prepare(recipe or quick())
    folder = RunFolder(Path(out or default_folder(job.recipe.name)))
    error = None
    if job.worker.is_main:
        try:
            create_run_folder(folder.path, job.recipe.to_json())
        except RunError as problem:
            error = problem
    job.worker.stop_together(error)
    records = RunWriter(folder, job)
    with records.in_use():
        return run(job, records, Progress(), quiet)


def resume(path: str | Path, *, quiet: bool = False) -> dict[str, Any]:
    """Go on with the run in folder `path`, to bitwise the weights of a run that was never interrupted.

    That holds on the same machine and versions; the thread count is set to the one recorded. A finished
    run's result is returned as it is. Raises RunError if `path` is not a run's folder.
    """
    folder = RunFolder(Path(path))
    recipe = stored_recipe(folder)
    if (result := folder.finished_result()) is not None:
        return result
    if isinstance(threads := folder.recorded("threads"), int):
        torch.set_num_threads(threads)
    job = prepare(recipe)
    records = RunWriter(folder, job)
    records.check_data()
    with records.in_use():
        return run(job, records, records.restore(), quiet)


def train_or_resume(recipe: Recipe, path: str | Path, *, quiet: bool = False) -> dict[str, Any]:
    """Bring the run in folder `path` to its end, from wherever it stands; a run that ended stays as it is.

    Raises RunError if it is a run of another recipe.
    """
    folder = RunFolder(Path(path))
    if not (folder.path / "recipe.json").exists():
        return train(recipe, out=path, quiet=quiet)
    stored, asked = stored_recipe(folder).to_json(), recipe.to_json()
    for name in asked.keys() - RESOLVED:
        if stored[name] != asked[name]:
            raise RunError(
                f"{path}: a run with {name} {stored[name]!r}, not {asked[name]!r}; choose another folder"
            )
    if (folder.path / "result.json").exists() and folder.read("result.json")["status"] == "diverged":
        return folder.read("result.json")
    return resume(path, quiet=quiet)


def run(job: TrainingSetup, records: RunWriter, progress: Progress, quiet: bool) -> dict[str, Any]:
    """Train from `progress` to the last step; stop early at a signal or a non-finite loss."""
    model = job.worker.distribute(job.network).train()
    visible = job.worker.is_main and not quiet
    watch = PropagationWatch(job, records.folder)
    watch.forget_after(progress.step)
    clock, checkpoint_age = Clock(), Clock()
    with stop_requests() as stop, Display(job, progress, visible) as display:

        def evaluate_if_due() -> None:
            """A run that stops does not wait for it, and begins with it when it goes on."""
            if job.evaluates_after(progress.step) and progress.seen and not job.worker.any(stop.received):
                # Early running statistics can overflow where training does not: that ends no run.
                evaluation = job.evaluate(job.recipe.evaluation_images)
                progress.seconds += clock.lap()
                display.log_line(records.log(evaluation, progress))

        evaluate_if_due()
        for groups in job.batches.between(progress.step, job.steps, job.train_size):
            if watch.is_due(progress.step):
                watch.measure(groups[0], progress)
                progress.seconds += clock.lap()
            loss, wrong = train_step(job, model, groups, progress.step)
            if not math.isfinite(loss):
                return records.finish("diverged", progress)
            progress.add_step(loss, wrong, job.batches.batch_size, clock.lap())
            display.update(progress)

            evaluate_if_due()
            stopping = job.worker.any(stop.received)
            overdue = job.worker.any(checkpoint_age.seconds > SECONDS_BETWEEN_CHECKPOINTS)
            if stopping or overdue or job.checkpoints_after(progress.step):
                if not job.is_finite():
                    return records.finish("diverged", progress)
                records.save_checkpoint(progress)
                checkpoint_age.lap()
            if stopping:
                return records.finish("stopped", progress)
            progress.seconds += clock.lap()
        evaluation = job.evaluate()
        progress.seconds += clock.lap()
        if not math.isfinite(evaluation.loss):
            return records.finish("diverged", progress)
        display.log_line(records.log(evaluation, progress))
        views = job.evaluate_views()
        progress.seconds += clock.lap()
        return records.finish("done", progress, evaluation, views)


def train_step(job: TrainingSetup, model: nn.Module, groups: list[Group], step: int) -> tuple[float, int]:
    """One step on `groups`, this worker's micro-batches: the loss and the wrong answers of all workers.

    The gradients add up to those of the whole batch; each group is normalised by its own statistics.
    """
    recipe, device = job.recipe, job.worker.device
    torch.manual_seed(step_seed(recipe.seed, step, job.worker.rank))
    share = sum(len(group.labels) for group in groups)
    totals = torch.zeros(2, device=device)
    # One region a step: autocast casts the weights once for all groups.
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        for number, group in enumerate(groups):
            set_momentum(job.network, number, len(groups))
            with job.worker.collecting(model, last=number + 1 == len(groups)):
                logits = model(group.images)
                loss = functional.cross_entropy(logits, group.labels, label_smoothing=recipe.label_smoothing)
                (loss * (len(group.labels) / share)).backward()
            with torch.no_grad():  # reported without label smoothing, as in evaluation
                plain = functional.cross_entropy(logits, group.labels, reduction="sum")
                totals += torch.stack([plain, (logits.argmax(1) != group.labels).sum()])
    job.worker.average_running_statistics(job.network)
    job.worker.sum(totals)
    job.optimizer.step(job.learning_rate(step))
    return totals[0].item() / job.batches.batch_size, int(totals[1])


def step_seed(seed: int, step: int, rank: int) -> int:
    """What random layers (dropout) draw from in a step, so that a resumed run repeats it; 32 bits count."""
    return int.from_bytes(hashlib.sha256(f"{seed} step {step} worker {rank}".encode()).digest()[:4], "big")
