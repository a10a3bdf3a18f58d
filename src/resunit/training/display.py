"""Live progress on stderr: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from resunit.ops.processor import supports_bf16
from resunit.training.setup import TrainingSetup
from resunit.training.state import Progress

SECONDS_BETWEEN_LINES = 15
BF16_IS_SLOW = {"fp32": " without fast bf16", "bf16": " that emulates bf16: precision=fp32 is faster"}


class Display:
    """Shows how far training is; a context, so that the bar is removed whatever happens."""

    def __init__(self, job: TrainingSetup, progress: Progress, visible: bool):
        self.job = job
        self.console = Console(stderr=True, quiet=not visible, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self.bars = Bars(*columns, console=self.console, transient=True)
        self.bar = self.bars.add_task("starting", total=job.steps, completed=progress.step)
        self.started, self.steps_before = time.monotonic(), progress.step
        self.last_line = self.started

    def __enter__(self) -> "Display":
        recipe, batches = self.job.recipe, self.job.batches
        data = self.job.dataset
        images = f"{len(data.train):,} images of {recipe.data} at {self.job.image_size} pixels"
        device = self.job.worker.device
        slow = "" if supports_bf16(device) else BF16_IS_SLOW[recipe.precision]
        where = f"{recipe.precision} on {device}{slow}, {torch.get_num_threads()} threads"
        self.say(f"{recipe.model}: {self.job.steps:,} steps of {batches.batch_size} from {images}, {where}")
        self.say(f"evaluated on {len(data.test):,} {data.split_name} images of {len(data.classes)} classes")
        if self.console.is_terminal:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bars.stop()

    def update(self, progress: Progress) -> None:
        """Show the running figures; off a terminal, a line every 15 seconds."""
        now = time.monotonic()
        if not self.console.is_terminal and now - self.last_line < SECONDS_BETWEEN_LINES:
            return
        text = (
            f"epoch {self.job.epochs(progress.step):.2f}/{self.job.epochs(self.job.steps):.4g}"
            f"  loss {progress.train_loss():.3f}  train error {progress.train_error():.2f} %"
            f"  {progress.images_per_second():,.0f} images/s"
        )
        self.bars.update(self.bar, completed=progress.step, description=text)
        if not self.console.is_terminal:
            self.last_line = now
            seconds = (
                (now - self.started) / (progress.step - self.steps_before) * (self.job.steps - progress.step)
            )
            self.say(f"  {text}  about {seconds / 60:.1f} min left")

    def log_line(self, line: dict[str, Any]) -> None:
        """Show an evaluation as it went into log.jsonl."""
        split = self.job.dataset.split_name
        training = ""
        if line["train_loss"] is not None:
            training = f"train loss {line['train_loss']:.3f} error {line['train_error']:5.2f} %   "
        self.say(
            f"epoch {line['epoch']:6.2f}   {training}"
            f"{split} loss {_number(line[f'{split}_loss'])} error {line[f'{split}_error']:5.2f} %"
            f"   {line['images_per_second'] or 0:,.0f} images/s   {line['seconds']:,.0f} s"
        )

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}"
