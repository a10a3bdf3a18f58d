"""What runs are shown as while they go on: a live table on a terminal, lines elsewhere."""

import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable

from resunit.models.registry import network_spec
from resunit.models.summary import training_flops
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.runner import steps_done
from resunit.reproduction.tables import Table

SECONDS_BETWEEN_LINES = 60


class Board:
    """A context; `experiments` are all runs of the table, `finished` the records that were there before."""

    def __init__(
        self, table: Table, experiments: list[Experiment], finished: list[Mapping[str, Any]], out: Path,
        quiet: bool,
    ):  # fmt: skip
        self.table, self.experiments, self.out = table, experiments, out
        self.records = {record["identity"]: record for record in finished}
        self.steps: dict[str, int] = {}  # of runs that have begun, by identity
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.started = self.last_line = time.monotonic()
        self.done_before: float | None = None
        self.failures: list[str] = []

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live.start()
        left = [e for e in self.experiments if e.identity not in self.records]
        self.say(f"{self.table.title}: {len(left)} of {len(self.experiments)} runs to do")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def look(self, running: list[Experiment]) -> None:
        """Show how far `running` are, those that have begun."""
        begun = {e.identity: done for e in running if (done := steps_done(e, self.out)) is not None}
        self.steps |= begun
        now = time.monotonic()
        if self.console.is_terminal:
            self.live.update(Group(self.picture(), self.time_left()), refresh=True)
        elif now - self.last_line >= SECONDS_BETWEEN_LINES and begun:
            self.last_line = now
            shown = (e for e in running if e.identity in begun)
            words = ", ".join(f"{e.row} seed {e.seed}: {self.in_a_cell(e)}" for e in shown)
            self.say(f"{words}; {self.time_left()}")

    def ended(self, record: Mapping[str, Any]) -> None:
        self.records[record["identity"]] = record
        told = f"{record['row']}, seed {record['seed']}: {in_words(record)}"
        if record["status"] == "failed":
            self.failures.append(told)
        self.say(told)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False)

    def time_left(self) -> str:
        """From the arithmetic done since the start."""
        done = total = 0.0
        for experiment in self.experiments:
            cost = flops_of(experiment)
            done += self.share_done(experiment) * cost
            total += cost
        if self.done_before is None:
            self.done_before = done
        new = done - self.done_before
        if new <= 0:
            return "time left: not known yet"
        minutes = (time.monotonic() - self.started) / new * (total - done) / 60
        return f"about {minutes:.0f} min left"

    def share_done(self, experiment: Experiment) -> float:
        if experiment.identity in self.records:
            return 1.0
        return self.steps.get(experiment.identity, 0) / experiment.recipe["steps"]

    def in_a_cell(self, experiment: Experiment) -> str:
        """A run's test error, what else became of it, or how far it is."""
        record, steps = self.records.get(experiment.identity), self.steps.get(experiment.identity)
        if record is not None:
            return f"{record['test_error']:.1f} %" if record["status"] == "done" else record["status"]
        return "waiting" if steps is None else f"{steps}/{experiment.recipe['steps']}"

    def picture(self) -> RichTable:
        """Rows by seeds."""
        seeds = sorted({experiment.seed for experiment in self.experiments})
        picture = RichTable(title=self.table.title, title_justify="left")
        picture.add_column("row")
        for seed in seeds:
            picture.add_column(f"seed {seed}", justify="right")
        places = {(e.row, e.seed): e for e in self.experiments}
        for row in self.table.rows:
            if (row.id, seeds[0]) in places:
                picture.add_row(row.label, *(self.in_a_cell(places[row.id, seed]) for seed in seeds))
        return picture


def flops_of(experiment: Experiment) -> float:
    """The whole run's training arithmetic, for a batch of images of 32 pixels unless the recipe says more."""
    recipe = experiment.recipe
    options = tuple(sorted(recipe["model_options"].items()))
    of_an_image = _flops_of_an_image(recipe["model"], recipe["design"], options, recipe["image_size"] or 32)
    return recipe["steps"] * recipe["batch_size"] * of_an_image


@cache
def _flops_of_an_image(model: str, design: str, options: tuple[tuple[str, Any], ...], side: int) -> int:
    return training_flops(network_spec(model, design=design, **dict(options)), side)


def in_words(record: Mapping[str, Any]) -> str:
    if record["status"] == "done":
        error, loss, seconds = (record[name] for name in ("test_error", "train_loss", "wall_seconds"))
        return f"test error {error:.2f} %, training loss {loss:.3f}, {seconds:.0f} s"
    if record["status"] == "diverged":
        return f"diverged at step {record['steps_done']}"
    return f"failed: {record['error']}"
