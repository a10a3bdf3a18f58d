"""The files that a run writes: log lines and checkpoints, and at the end weights, result and report."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from resunit.data import StreamedSplit
from resunit.errors import RunError, UsageError
from resunit.io.fields import to_json
from resunit.models.design_source import is_own_design, source_of
from resunit.models.drawing import render_unit
from resunit.models.weights import with_current_names, write_weights, write_weights_of_module
from resunit.runs.folder import RunFolder
from resunit.runs.schema import Lengthening, LogLine, RunResult, Status
from resunit.training.checkpoints import Checkpoint, find_newest_checkpoint, save_checkpoint
from resunit.training.environment import describe_environment
from resunit.training.evaluation import Predictions, ViewPredictions
from resunit.training.page import write_page
from resunit.training.result import describe_evaluation, describe_result
from resunit.training.setup import TrainingSetup
from resunit.training.state import TrainingState

OnLog: TypeAlias = Callable[[LogLine], object]

# Weights files leave these out, so that equal runs write equal weights files.
TIMINGS = ("wall_seconds", "images_per_second")


class RunWriter:
    """Writes the files of a run into its folder. All ranks call its methods, and rank 0 writes."""

    def __init__(self, folder: RunFolder, setup: TrainingSetup, on_log: OnLog | None = None):
        """Write into `folder`, and call `on_log` with each log line after it was written."""
        self.folder = folder
        self.setup = setup
        self.on_log = on_log
        self.previous: int | None = None
        """The step of the checkpoint that was written or loaded last."""

    @contextmanager
    def in_use(self, command: str | None = None, lengthening: Lengthening | None = None) -> Iterator[None]:
        """Keep other processes out of the folder while the context lasts, and record the environment.

        A resumed run keeps the time and the command with which it was started.

        Args:
            command: the command that starts the run, as it was typed.
            lengthening: the new total length that the run gets. It is written into recipe.json, and the result is
                removed, because the run has not ended any more.

        Raises:
            RunError: another process trains this run.
        """
        distributed = self.setup.distributed
        if not distributed.is_main:
            yield
            return
        with self.folder.only_user():
            earlier = self.folder.read_environment()
            environment = describe_environment(
                distributed.device,
                self.setup.recipe.precision,
                distributed.world_size,
                self.setup.dataset.checksum,
                command,
                self.setup.recipe.to_json(),
                self.setup.dataset.notes,
                self.setup.weights_checksum,
                self.setup.given,
            )
            if earlier is not None:
                new = [lengthening] if lengthening and lengthening not in earlier.lengthened else []
                environment = replace(
                    environment,
                    started=earlier.started,
                    command=earlier.command,
                    lengthened=(*earlier.lengthened, *new),
                )
            if lengthening is not None:
                # The old result goes first: beside a longer recipe it would be wrong.
                self.folder.result.unlink(missing_ok=True)
            self.folder.write_environment(environment)
            if lengthening is not None:
                self.folder.write_recipe(self.setup.recipe.to_json())
            yield

    def check_can_go_on(self) -> None:
        """Raise RunError if the run has ended after some steps and its checkpoints are gone: it would begin anew."""
        result, run = self.folder.read_result(), self.folder.path
        if result is not None and result.steps and not any(self.folder.checkpoints.glob("*.safetensors")):
            from_weights = (
                f"start a new run with --weights {run}, or " if self.folder.weights.exists() else ""
            )
            raise RunError(
                f"{run}: its checkpoints are gone, so that it cannot go on after step {result.steps}; {from_weights}"
                f"repeat it with --config {self.folder.recipe}"
            )

    def check_sources(self) -> None:
        """Raise RunError if the data or the weights that the run started from have changed since it began."""
        environment, setup = self.folder.read_environment(), self.setup
        if environment is None:
            return
        for recorded, found, name in (
            (environment.data_checksum, setup.dataset.checksum, setup.dataset.name),
            (environment.weights_checksum, setup.weights_checksum, setup.recipe.weights),
        ):
            if recorded is not None and recorded != found:
                raise RunError(f"{self.folder.path}: {name} has changed since this run began; start anew")

    def log(self, predictions: Predictions, state: TrainingState) -> LogLine:
        """Add a line to log.jsonl and return it; the counts of `state` since the last line become zero."""
        setup, images = self.setup, len(predictions.labels)
        line = LogLine(
            step=state.step,
            epoch=setup.epoch_at(state.step),
            train_loss=state.train_loss(),
            train_error=state.train_error(),
            split=setup.dataset.watched_name,
            loss=predictions.loss if math.isfinite(predictions.loss) else None,
            error=predictions.errors.error,
            images=images,
            learning_rate=setup.learning_rate_at(max(state.step - 1, 0)),
            images_per_second=state.images_per_second(),
            seconds=state.seconds,
        )
        is_whole = images == len(setup.dataset.watched)
        if state.add_evaluation(predictions.errors.error, line.epoch, images, is_whole):
            setup.kept.add_best()
        if setup.distributed.is_main:
            self.folder.append_log(line)
            if self.on_log is not None:
                self.on_log(line)
        return line

    def save_checkpoint(self, state: TrainingState) -> None:
        """Write a checkpoint of the network, the optimizer and `state`; older ones but the previous one are deleted."""
        if self.setup.distributed.is_main:
            state.log_bytes = self.folder.log_bytes()
            setup = self.setup
            checkpoint = Checkpoint(
                state, setup.network.state_dict(), setup.optimizer.state(), setup.kept.state()
            )
            save_checkpoint(self.folder.checkpoints, checkpoint, self.previous)
            self.previous = state.step

    def restore(self) -> TrainingState:
        """Load the newest whole checkpoint into the setup and return its state; if there is none, return a new state.

        Log lines and measurements after the checkpoint are dropped: the run writes them again.

        Raises:
            RunError: the checkpoint is of another network.
            FileFormatError: no checkpoint is whole, the newest is of a newer format, or a line of the log is damaged.
        """
        checkpoint = find_newest_checkpoint(self.folder.checkpoints)
        state = checkpoint.state if checkpoint is not None else TrainingState()
        if checkpoint is not None:
            try:
                network = self.setup.network
                network.load_state_dict(with_current_names(checkpoint.network, network))
                self.setup.optimizer.load_state(with_current_names(checkpoint.optimizer, network))
                self.setup.kept.load_state(checkpoint.kept)
            except (RuntimeError, KeyError) as error:
                raise RunError(
                    f"{self.folder.path}: its checkpoint is not of the network in recipe.json; was it edited, or "
                    "another model given?"
                ) from error
        if self.setup.distributed.is_main:
            self.folder.truncate_log(state.log_bytes)
            self.folder.truncate_propagation(state.step)
            self.folder.read_log()  # The page at the end needs it; a damaged line is better named now.
        self.previous = None if checkpoint is None else state.step
        return state

    def finish(
        self,
        status: Status,
        state: TrainingState,
        predictions: Predictions | None = None,
        views: ViewPredictions | None = None,
        last_step: Predictions | None = None,
    ) -> RunResult:
        """Write the result and the report of a run that ended, and return the result.

        A run that is done has `predictions` and `views`; its weights and its evaluation are written too. If it keeps
        other weights than those of its last step, it has the predictions of the latter as well.
        """
        result = describe_result(self.setup, state, status, predictions, views, last_step)
        if self.setup.distributed.is_main:
            if predictions is not None:
                self._write_weights(result)
                self.folder.write_evaluation(describe_evaluation(self.setup, predictions))
            self.folder.write_result(result)
            write_page(self.folder.path, self._draw_unit())
        self.setup.distributed.wait_for_all()
        return result

    def _draw_unit(self) -> str:
        """Return the SVG of the network's unit; it is empty for a module of the user's own that has none."""
        try:
            return render_unit(self.setup.network)
        except UsageError:
            return ""

    def _write_weights(self, result: RunResult) -> None:
        setup, split = self.setup, self.setup.dataset.test
        preprocessing = {"image_size": setup.image_size, "normalisation": setup.normalisation.to_json()}
        if isinstance(split, StreamedSplit):
            preprocessing["shorter_side"] = split.shorter_side
        if setup.recipe.skip_broken:
            preprocessing["skip_broken"] = setup.recipe.skip_broken
        recorded = {name: value for name, value in to_json(result).items() if name not in TIMINGS}
        if setup.spec is None:
            write_weights_of_module(
                self.folder.weights,
                setup.kept.network,
                name=setup.model,
                classes=setup.dataset.classes,
                preprocessing=preprocessing,
                result=recorded,
            )
            return
        write_weights(
            self.folder.weights,
            setup.kept.network,
            setup.spec,
            classes=setup.dataset.classes,
            preprocessing=preprocessing,
            result=recorded,
            design_source=source_of(setup.spec.design) if is_own_design(setup.spec.design) else None,
        )
