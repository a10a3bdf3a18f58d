"""Training, top to bottom: a recipe becomes a run's folder and its result."""

import math
from contextlib import closing
from pathlib import Path

from torch import nn

from resunit.data import Dataset, OwnImages, Split, as_dataset
from resunit.errors import RunError, UsageError
from resunit.io.places import user_path
from resunit.runs.end_of_training import steps_before_the_end
from resunit.runs.folder import RunFolder, claim_default_folder, create_run_folder
from resunit.runs.schema import Lengthening, RunResult, Status
from resunit.training.checkpoint_pace import CheckpointPace
from resunit.training.checkpoints import find_newest_checkpoint
from resunit.training.clock import Clock
from resunit.training.display import Display
from resunit.training.launch import check_can_be_found_again, count_restarts
from resunit.training.own_network import OwnNetwork, keeping_settings
from resunit.training.precision import choosing_kernels
from resunit.training.prepare import prepare
from resunit.training.process_state import isolated_process_state, one_training_at_a_time
from resunit.training.propagation_watch import PropagationWatch
from resunit.training.reading_pace import ReadingPace
from resunit.training.recipe import Recipe, read_stored_recipe, with_changes
from resunit.training.recipes import quick
from resunit.training.same_run import check_given, check_recipe_of_run
from resunit.training.setup import TrainingSetup
from resunit.training.signals import StopRequest, stop_requests
from resunit.training.state import TrainingState
from resunit.training.threads import limit_threads, set_recorded_threads
from resunit.training.training_step import TrainingStep
from resunit.training.writer import OnLog, RunWriter

# recipe.json holds the resolved values of these fields, so they may differ from those of the recipe that was given.
RESOLVED_FIELDS = {"data", "weights", "batch_size", "precision", "activation_checkpointing"}


@one_training_at_a_time()
@isolated_process_state()
def train(
    recipe: Recipe | None = None,
    *,
    data: Dataset[Split] | OwnImages | None = None,
    model: nn.Module | None = None,
    on_log: OnLog | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
    command: str | None = None,
) -> RunResult:
    """Train as `recipe` says, and return the summary that result.json holds.

    Processes that torchrun starts together train one run together. If one fails and torchrun restarts the group,
    the run goes on from its last checkpoint.

    The process stays as it was: random generators, threads, default dtype, grad mode and environment. Of several
    threads that call this function, one trains after the other; to train side by side, start processes.

    Args:
        recipe: the run; by default `quick`, on CIFAR-10.
        data: images in memory, in the place of the recipe's data: what `resunit.data.make_dataset` returns, or only
            images to train on, a pair (images, labels) or a data set of torch, of which the recipe's `validation`
            holds some out.
        model: a module that maps images (N, 3, H, W) to logits, in the place of the recipe's network. It is trained
            as it is, and has the kept weights at the end. environment.json says what was given, because the recipe
            alone does not repeat the run.
        on_log: is called with each LogLine after it was written, on rank 0.
        out: a new folder; by default one under runs/. It must be given where torchrun may restart the processes.
        quiet: whether nothing is shown on stderr.
        command: the command that starts the run, as it was typed, for its record.

    Returns:
        The result. Its status is "done", "diverged", or "stopped" after a checkpoint by Ctrl-C, SIGTERM, SIGHUP,
        SIGUSR1, SIGUSR2 or SIGXCPU.

    Raises:
        UsageError: the recipe does not fit together, or does not fit the data or this machine.
        DataError: the data cannot be fetched or read.
        FileFormatError: the weights to start from are missing, damaged or of another network.
        RunError: the folder is in use, or another process of the group is lost.
    """
    recipe, path = recipe or quick(), None if out is None else user_path(out)
    _check_arguments(recipe, on_log)
    check_can_be_found_again(path)
    if path is not None and count_restarts() > 0 and RunFolder(path).recipe.exists():
        return train_or_resume(recipe, path, data=data, model=model, on_log=on_log, quiet=quiet)
    limit_threads()
    with keeping_settings(model):
        setup = prepare(recipe, as_dataset(data), model)
        folder = _create_folder(setup, path)
        writer, state = RunWriter(folder, setup, on_log), TrainingState()
        with setup.distributed.explained_loss(), writer.in_use(command):
            if model is not None:
                writer.save_checkpoint(state)  # No seed makes the initial weights again.
            return _train_on(state, setup, writer, quiet)


@one_training_at_a_time()
@isolated_process_state()
def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    data: Dataset[Split] | OwnImages | None = None,
    model: nn.Module | None = None,
    on_log: OnLog | None = None,
    quiet: bool = False,
) -> RunResult:
    """Continue an interrupted run, to bitwise the weights of a run that was never interrupted.

    That holds on the same machine and versions, with the recorded number of threads, which is set while the run
    lasts. On a machine with fewer cores an OtherThreads warning says that the bits may differ.

    With a new total length, a run that is done continues too. The learning rate is then that of the schedule of
    the new length, so it may be higher than at the end of the old one.

    Args:
        path: the run's folder.
        steps: the new total of steps.
        epochs: the new total of epochs.
        data: the images that `train` was given, if it was given any.
        model: a module like the one that `train` was given, if it was given one; it gets the run's weights.
        on_log: is called with each LogLine after it was written, on rank 0. Lines after the last checkpoint are
            written again.
        quiet: whether nothing is shown on stderr.

    Returns:
        The result; the stored result if the run was done already and gets no new length.

    Raises:
        UsageError: both steps and epochs are given, or not more than the run has done.
        RunError: `path` is not a run's folder or is in use; or the run diverged, its data have changed, its
            checkpoints are gone, its recipe.json was edited, or `train` was given other arguments.
        FileFormatError: a file of the run is damaged or of a newer format.
    """
    folder = RunFolder(user_path(path))
    recipe = read_stored_recipe(folder)
    _check_arguments(recipe, on_log)
    longer = (
        recipe
        if steps is None and epochs is None
        else with_changes(recipe, {"steps": steps, "epochs": epochs})
    )
    result = folder.read_finished_result()
    # Torchrun gives the new length again after a restart, when the run has got it already and has not ended.
    gets_new_length = longer is not recipe and (longer != recipe or result is not None)
    if result is not None and not gets_new_length:
        return result
    if (environment := folder.read_environment()) is not None:
        check_recipe_of_run(folder, recipe, environment, gets_new_length=gets_new_length)
        check_given(folder, environment, {"data": data is not None, "model": model is not None})
        set_recorded_threads(environment.threads)
    with keeping_settings(model):
        setup = prepare(longer, as_dataset(data), model)
        writer = RunWriter(folder, setup, on_log)
        writer.check_sources()
        writer.check_can_go_on()
        lengthening = _lengthening(folder, setup) if gets_new_length else None
        with setup.distributed.explained_loss(), writer.in_use(lengthening=lengthening):
            state = writer.restore()
            if lengthening is not None:
                state.forget_the_end()
            return _train_on(state, setup, writer, quiet, is_resumed=True)


def _check_arguments(recipe: object, on_log: object) -> None:
    """Raise UsageError for a recipe that is none, and for an `on_log` that cannot be called."""
    if not isinstance(recipe, Recipe):
        raise UsageError(
            f"recipe must be a resunit.Recipe, not {type(recipe).__name__}; resunit.named_recipe(NAME) gives one"
        )
    if on_log is not None and not callable(on_log):
        raise UsageError(f"on_log must be a function of one log line, not {type(on_log).__name__}")


def _lengthening(folder: RunFolder, setup: TrainingSetup) -> Lengthening:
    """Return the new total length that a run gets. Raises UsageError if it is no greater than what the run has done."""
    checkpoint = find_newest_checkpoint(folder.checkpoints)
    done = 0 if checkpoint is None else checkpoint.state.step
    if setup.steps <= done:
        raise UsageError(
            f"{folder.path}: has done {done} steps, which are {setup.epoch_at(done):.4g} epochs; give a greater "
            f"total than {setup.steps} steps"
        )
    return Lengthening(done, setup.steps)


def train_or_resume(
    recipe: Recipe,
    path: str | Path,
    *,
    data: Dataset[Split] | OwnImages | None = None,
    model: nn.Module | None = None,
    on_log: OnLog | None = None,
    quiet: bool = False,
) -> RunResult:
    """Bring the run in folder `path` to its end, whether it is new, interrupted or ended already.

    The arguments are those of `train`.

    Raises:
        RunError: the folder holds a run of another recipe.
    """
    folder = RunFolder(user_path(path))
    if not folder.recipe.exists():
        return train(recipe, data=data, model=model, on_log=on_log, out=path, quiet=quiet)
    if model is not None:
        recipe = OwnNetwork(model).recipe_for(recipe)
    stored, asked = read_stored_recipe(folder).to_json(), recipe.to_json()
    for name in asked.keys() - RESOLVED_FIELDS:
        if stored[name] != asked[name]:
            raise RunError(
                f"{path}: a run with {name} {stored[name]!r}, not {asked[name]!r}; choose another folder"
            )
    result = folder.read_result()
    if result is not None and result.status == "diverged":
        return result
    return resume(path, data=data, model=model, on_log=on_log, quiet=quiet)


def _train_on(
    state: TrainingState, setup: TrainingSetup, writer: RunWriter, quiet: bool, is_resumed: bool = False
) -> RunResult:
    """Train from `state` to the last step, and write how the run ended."""
    model = setup.distributed.wrap(setup.network).train()
    is_visible = setup.distributed.is_main and not quiet
    with (
        choosing_kernels(setup.distributed.device, by_time=setup.recipe.cudnn_benchmark),
        stop_requests() as stop,
        Display(setup, state, is_visible, is_resumed) as display,
    ):
        clock = Clock()
        _evaluate_if_due(state, setup, writer, display, clock, stop)
        ended = _train_steps(state, setup, model, writer, display, clock, stop)
        if ended is not None:
            return writer.finish(ended, state)
        predictions = setup.evaluate()
        state.seconds += clock.lap()
        if not math.isfinite(predictions.loss):
            return writer.finish("diverged", state)
        if setup.ends_early(state):
            display.show_early_end(state)
        if state.seen:  # The last evaluation of a run that ends early stands in the log already.
            display.show_line(writer.log(predictions, state))
        last_step = None
        if setup.kept.are_others_than_the_last:
            last_step = setup.judge_last_step()
            state.evaluated += len(last_step.labels)
            setup.kept.load_best()
        # The test images had no part in anything before.
        if setup.dataset.validation is not None or setup.kept.best:
            predictions = setup.judge()
            state.evaluated += len(predictions.labels)
        views = setup.evaluate_views()
        setup.kept.give_to_trained()
        state.seconds += clock.lap()
        return writer.finish("done", state, predictions, views, last_step)


def _train_steps(
    state: TrainingState,
    setup: TrainingSetup,
    model: nn.Module,
    writer: RunWriter,
    display: Display,
    clock: Clock,
    stop: StopRequest,
) -> Status | None:
    """Train from `state` to the last step, with evaluations and checkpoints on the way.

    The device computes one step after another, and nobody waits for it until something needs what it has computed.

    Returns:
        None after the last step; "stopped" after a checkpoint at a signal; "diverged" at a number that is not finite.
    """
    distributed, watch = setup.distributed, PropagationWatch(setup, writer.folder)
    # Several ranks must read after the same step, which their clocks cannot tell; a CPU computes nothing by itself.
    reading = ReadingPace(every_step=distributed.device.type == "cpu" or distributed.world_size > 1)
    pace = CheckpointPace(setup.recipe.checkpoint_every)
    with closing(setup.batches.feed(state.step, setup.steps, setup.image_size_at)) as feed:
        step = TrainingStep(setup, model, feed)
        step.capture_if_possible(display.say)
        for number in range(state.step, setup.steps):
            if setup.ends_early(state):
                break
            if watch.is_due(number):
                watch.measure(step.first_ghost_batch(number), state)
                state.seconds += clock.lap()
            step.train(number)
            setup.kept.add_step(number)
            # Rank 0 writes, so its clock alone knows what a checkpoint costs.
            asks_for_checkpoint = distributed.is_main and pace.is_overdue
            needs_numbers = (
                stop.received
                or asks_for_checkpoint
                or setup.evaluates_after(number + 1)
                or setup.checkpoints_after(number + 1)
                or watch.is_due(number + 1)
            )
            if not (needs_numbers or reading.is_due(step.unread)):
                continue
            if not _read_steps(step, state, setup, clock, reading):
                return "diverged"
            display.update(state)
            _evaluate_if_due(state, setup, writer, display, clock, stop)

            is_stopping = distributed.any_rank(stop.received)
            is_overdue = distributed.any_rank(asks_for_checkpoint)
            is_due = setup.checkpoints_after(state.step) or setup.ends_early(state)
            if is_stopping or is_overdue or is_due:
                with pace.saving():
                    if not setup.is_finite():
                        return "diverged"
                    writer.save_checkpoint(state)
            if is_stopping:
                return "stopped"
            state.seconds += clock.lap()
    return None


def _read_steps(
    step: TrainingStep, state: TrainingState, setup: TrainingSetup, clock: Clock, reading: ReadingPace
) -> bool:
    """Count the steps since the last reading, up to one whose loss is not finite; return whether there is none."""
    read = step.read()
    seconds = clock.lap()
    reading.add(len(read), seconds)
    for loss, wrong in read:
        if not math.isfinite(loss):
            return False
        state.add_step(
            loss, wrong, setup.batches.batch_size, seconds / len(read),
            is_at_the_end=state.step >= steps_before_the_end(setup.steps),
        )  # fmt: skip
    return True


def _evaluate_if_due(
    state: TrainingState,
    setup: TrainingSetup,
    writer: RunWriter,
    display: Display,
    clock: Clock,
    stop: StopRequest,
) -> None:
    """Evaluate and log after a step that asks for it; a run that stops evaluates when it continues."""
    if setup.evaluates_after(state.step) and state.seen and not setup.distributed.any_rank(stop.received):
        # An infinite loss does not end the run here: running statistics can overflow early in a sound run.
        predictions = setup.evaluate(setup.recipe.evaluation_images)
        state.seconds += clock.lap()
        display.show_line(writer.log(predictions, state))


def _create_folder(setup: TrainingSetup, path: Path | None) -> RunFolder:
    """Make the run's folder on rank 0, by default one under runs/. Raises RunError if it is in use."""
    error = None
    if setup.distributed.is_main:
        try:
            path = path or claim_default_folder(setup.recipe.name)
            create_run_folder(path, setup.recipe.to_json())
        except RunError as problem:
            error = problem
    setup.distributed.raise_together(error)
    return RunFolder(path or Path("runs"))  # The other ranks write nothing.
