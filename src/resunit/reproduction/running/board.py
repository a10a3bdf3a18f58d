"""The board: shows the progress of a table's runs, live on a terminal and as lines elsewhere."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.table import Table as RichTable

from resunit.io.streams import progress_console
from resunit.models.registry import network_spec
from resunit.models.summary import count_training_flops
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.paper.tables import Table
from resunit.reproduction.running.runner import count_steps_done
from resunit.runs.schema import ExperimentRecord

SECONDS_BETWEEN_LINES = 60
CIFAR_PIXELS = 32


class Board:
    """Shows the runs of a table on standard error; a context.

    The records of the runs that had ended before are `finished`. `seconds` has, by identity, what each other run
    takes on this machine; without them, the time left is counted by arithmetic, and is known once some of it is done.
    """

    def __init__(
        self,
        table: Table,
        experiments: Sequence[Experiment],
        finished: Iterable[ExperimentRecord],
        out: Path,
        quiet: bool,
        seconds: Mapping[str, float] | None = None,
        jobs: int = 1,
    ):
        self.table, self.experiments, self.out = table, experiments, out
        self.records = {record.identity: record for record in finished}
        self.steps: dict[str, int] = {}  # by identity, for runs that have begun
        self.console = progress_console(not quiet)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.started = self.last_line = time.monotonic()
        self.seconds, self.jobs = seconds or {}, jobs
        self.done_before: float | None = None

    def __enter__(self) -> "Board":
        if self.console.is_interactive:
            self.live.start()
        left = [e for e in self.experiments if e.identity not in self.records]
        self.steps |= {e.identity: done for e in left if (done := count_steps_done(e, self.out)) is not None}
        time_left = f"; {self.time_left()}" if self.seconds else ""
        self.say(f"{self.table.title}: {len(left)} of {len(self.experiments)} runs to do{time_left}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_interactive:
            self.live.stop()

    def update(self, running: Sequence[Experiment]) -> None:
        """Show how far `running` are, some of which may not have begun."""
        begun = {e.identity: done for e in running if (done := count_steps_done(e, self.out)) is not None}
        self.steps |= begun
        now = time.monotonic()
        if self.console.is_interactive:
            self.live.update(Group(self.picture(), self.time_left()), refresh=True)
        elif now - self.last_line >= SECONDS_BETWEEN_LINES and begun:
            self.last_line = now
            shown = (e for e in running if e.identity in begun)
            progress = ", ".join(f"{e.row} seed {e.seed}: {self.describe(e)}" for e in shown)
            self.say(f"{progress}; {self.time_left()}")

    def add(self, record: ExperimentRecord) -> None:
        """Show how a run ended."""
        self.records[record.identity] = record
        self.say(f"{record.row}, seed {record.seed}: {describe_end(record)}")

    def say(self, text: str) -> None:
        """Print one line above the live table."""
        self.console.print(text, soft_wrap=True, markup=False)

    def time_left(self) -> str:
        """Return the time left, by the work that was done since the start, or by what it is expected to take."""
        done = total = 0.0
        for experiment in self.experiments:
            # The seconds of a run on this machine where they are known, else its arithmetic.
            cost = self.seconds.get(experiment.identity, 0.0) if self.seconds else flops_of(experiment)
            done += self.share_done(experiment) * cost
            total += cost
        if self.done_before is None:
            self.done_before = done
        new, elapsed = done - self.done_before, time.monotonic() - self.started
        if new > 0:
            minutes = elapsed / new * (total - done) / 60
        elif self.seconds:
            minutes = (total - done) / self.jobs / 60
        else:
            return "time left: not known yet"
        return f"about {minutes:.0f} min left"

    def share_done(self, experiment: Experiment) -> float:
        """Return the share of a run's steps that are done."""
        if experiment.identity in self.records:
            return 1.0
        return self.steps.get(experiment.identity, 0) / experiment.steps

    def describe(self, experiment: Experiment) -> str:
        """Return a run's test error, its status if it has none, or how far it is."""
        record, steps = self.records.get(experiment.identity), self.steps.get(experiment.identity)
        if record is not None:
            return f"{record.test_error:.1f} %" if record.test_error is not None else record.status
        return "waiting" if steps is None else f"{steps}/{experiment.steps}"

    def picture(self) -> RichTable:
        """Return a table of rows by seeds."""
        seeds = sorted({experiment.seed for experiment in self.experiments})
        picture = RichTable(title=self.table.title, title_justify="left")
        picture.add_column("row")
        for seed in seeds:
            picture.add_column(f"seed {seed}", justify="right")
        places = {(e.row, e.seed): e for e in self.experiments}
        for row in self.table.rows:
            if (row.id, seeds[0]) in places:
                picture.add_row(row.label, *(self.describe(places[row.id, seed]) for seed in seeds))
        return picture


def flops_of(experiment: Experiment) -> float:
    """Return a run's training arithmetic, for images of 32 pixels unless the recipe has another size."""
    recipe = experiment.typed_recipe
    assert recipe.model is not None
    assert recipe.batch_size is not None
    spec = network_spec(recipe.model, design=recipe.design, **recipe.model_options)
    of_an_image = count_training_flops(spec, recipe.image_size or CIFAR_PIXELS)
    return experiment.steps * recipe.batch_size * of_an_image


def describe_end(record: ExperimentRecord) -> str:
    """Return how a run ended, in a few words."""
    if record.status == "failed":
        return f"failed: {record.error}"
    if record.status == "diverged":
        return f"diverged at step {record.steps_done}"
    training = "" if record.train_error is None else f"training error {record.train_error:.2f} %, "
    return f"test error {record.test_error:.2f} %, {training}{record.wall_seconds:.0f} s"
