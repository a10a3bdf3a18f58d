"""Live progress on stderr: a bar on a terminal, a line now and then elsewhere."""

import math
import time
from types import TracebackType

import torch
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from resunit.io.format import NO_BREAK_SPACE, escape_text, format_count, format_duration
from resunit.io.streams import progress_console
from resunit.ops.processor import supports_bf16
from resunit.runs.judged_images import remark_on_few
from resunit.runs.schema import LogLine
from resunit.training.estimate import measure_speed, seconds_of_run
from resunit.training.setup import TrainingSetup
from resunit.training.starting_weights import StartingWeights
from resunit.training.state import TrainingState

SECONDS_BETWEEN_LINES = 15
SECONDS_AN_HOUR = 3600
FLOPS_OF_A_LONG_RUN = 1e13  # about a minute and a half on two cores
FLOPS_OF_A_LONG_RUN_ON_GPU = 1e16  # The seconds that measuring takes there are more than some runs take.
SECONDS_OF_A_SLOW_RUN = 45 * 60
WITHOUT_BF16 = {
    "fp64": "",
    "tf32": "",
    "fp32": " without fast bf16",
    "bf16": ", which emulates bf16; --precision fp32 is faster",
}


class Display:
    """Shows how far training is. It is a context, so that the bar is removed after an exception too."""

    def __init__(
        self, setup: TrainingSetup, state: TrainingState, is_visible: bool, is_resumed: bool = False
    ):
        self.setup, self.is_resumed = setup, is_resumed
        self.console = progress_console(is_visible)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self.bars = Progress(*columns, console=self.console, transient=True)
        self.bar = self.bars.add_task("starting", total=setup.steps, completed=state.step)
        self.started, self.steps_before = time.monotonic(), state.step
        self.last_line = self.started

    def __enter__(self) -> "Display":
        setup, recipe, dataset = self.setup, self.setup.recipe, self.setup.dataset
        device = setup.distributed.device
        remark = "" if supports_bf16(device) else WITHOUT_BF16[recipe.precision]
        self.say(
            f"{setup.model}: {setup.steps:,} steps of {setup.batches.batch_size} from {len(dataset.train):,} "
            f"images of {setup.typed_data or recipe.data} at {setup.image_size} pixels, "
            f"{format_count(torch.get_num_threads(), 'thread')}, {recipe.precision} on {device}{remark}"
            f"{self._describe_few_judged()}"
        )
        if setup.weights is not None:
            self.say(self._start(setup.weights))
        during_training = ""
        if dataset.validation is not None:
            during_training = (
                f"{len(dataset.validation):,} validation images during training and, at the end, on "
            )
        self.say(
            f"evaluated on {during_training}{len(dataset.test):,} {dataset.split_name} images of "
            f"{len(dataset.classes)} classes"
        )
        if self.steps_before:
            self.say(
                f"goes on after step {self.steps_before:,}, in the schedule of a run of {setup.steps:,} steps: the "
                f"learning rate is {setup.learning_rate_at(min(self.steps_before, setup.steps - 1)):.3g}"
            )
        elif self.is_resumed:
            self.say("begins again at step 0, because the run has no checkpoint")
        for note in dataset.notes:
            self.say(note)
        if not self.console.quiet and self._is_long():
            seconds = seconds_of_run(setup, measure_speed(setup), self.steps_before)
            self.say(describe_time(seconds, recipe.epochs))
        if self.console.is_interactive:
            self.bars.start()
        return self

    def _start(self, weights: StartingWeights) -> str:
        classes, freeze = self.setup.dataset.classes, self.setup.recipe.freeze
        head = "its classifier" if weights.keeps_classifier(classes) else "a fresh classifier"
        frozen = f"; frozen: {', '.join(freeze)}" if freeze else ""
        return f"starts from {weights.file.path} with {head}{frozen}"

    def _describe_few_judged(self) -> str:
        """Return what the first line says about few images to judge, or ""."""
        dataset = self.setup.dataset
        few = remark_on_few(dataset.classes, dataset.judged_counts(), dataset.split_name)
        return f"; {few}" if few else ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_interactive:
            self.bars.stop()

    def _is_long(self) -> bool:
        """Return whether what is left is worth the seconds that an estimate takes; several ranks make none."""
        setup = self.setup
        left = setup.train_flops(setup.steps) - setup.train_flops(self.steps_before)
        is_on_gpu = setup.distributed.device.type == "cuda"
        most = FLOPS_OF_A_LONG_RUN_ON_GPU if is_on_gpu else FLOPS_OF_A_LONG_RUN
        return left > most and setup.distributed.world_size == 1

    def update(self, state: TrainingState) -> None:
        """Show the running figures: on a terminal at once, elsewhere on a line every 15 seconds."""
        now = time.monotonic()
        if not self.console.is_interactive and now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        setup = self.setup
        text = (
            f"epoch {setup.epoch_at(state.step):.2f}/{setup.epoch_at(setup.steps):.4g}"
            f"  loss {state.train_loss():.3f}  train error {state.train_error():.2f} %"
            f"  {state.images_per_second():,.0f} images/s"
        )
        self.bars.update(self.bar, completed=state.step, description=text)
        if not self.console.is_interactive:
            self.last_line = now
            seconds_a_step = (now - self.started) / (state.step - self.steps_before)
            self.say(f"  {text}  about {_plain(seconds_a_step * (setup.steps - state.step))} left")

    def show_line(self, line: LogLine) -> None:
        """Show one evaluation."""
        training = ""
        if line.train_loss is not None:
            training = f"train loss {line.train_loss:.3f} error {line.train_error:5.2f} %   "
        loss = "not finite" if line.loss is None else f"{line.loss:.3f}"
        self.say(
            f"epoch {line.epoch:6.2f}   {training}{line.split} loss {loss} error {line.error:5.2f} %"
            f"   {line.images_per_second or 0:,.0f} images/s   {line.seconds:,.0f} s"
        )

    def show_early_end(self, state: TrainingState) -> None:
        """Say that the run ends before its last step, and why."""
        self.say(
            f"ends after step {state.step:,} of {self.setup.steps:,}: no validation error below "
            f"{state.best_error:.2f} % in {state.evaluations_since_best} evaluations"
        )

    def say(self, text: str) -> None:
        """Print a line on stderr."""
        self.console.print(escape_text(text), soft_wrap=True, markup=False)


def describe_time(seconds: float, epochs: float | None) -> str:
    """Return how long a run will take; where that is long, a shorter run is offered.

    Args:
        seconds: how long the run will take.
        epochs: its length in epochs, if it has one.
    """
    text = f"about {_plain(seconds)} on this machine as it is now"
    if seconds < SECONDS_OF_A_SLOW_RUN or epochs is None or epochs < 2:
        return text
    fewer = max(1, math.floor(epochs * SECONDS_OF_A_SLOW_RUN / seconds / 2))
    return f"{text}; a shorter run: --epochs {fewer} takes about {_plain(seconds * fewer / epochs)}"


def _plain(seconds: float) -> str:
    """Return a time in whole minutes, or in hours and minutes, with spaces that any terminal has."""
    if seconds < SECONDS_AN_HOUR:
        return f"{max(1, round(seconds / 60))} min"
    return format_duration(seconds).replace(NO_BREAK_SPACE, " ")
