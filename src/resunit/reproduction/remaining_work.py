"""The work that a table still needs on this machine: its runs, what is finished already, and the hours ahead."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table as RichTable

from resunit.errors import FileFormatError, UsageError
from resunit.reproduction.experiments.experiment import Experiment, PlannedRun
from resunit.reproduction.plan import FOLDER, Plan
from resunit.reproduction.recorded_precision import is_recorded
from resunit.reproduction.reproduce import plan_as_recorded, threads_of_run
from resunit.reproduction.running.run_times import seconds_of_runs
from resunit.reproduction.running.runner import count_steps_done
from resunit.runs.recipe_format import WITHOUT_EFFECT

StateOfRun = Literal["recorded", "begun", "missing"]
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class RunAhead:
    """A run of the plan.

    Attributes:
        state: "recorded" with its numbers, "begun" in the folder of results, or "missing".
        steps: the length of the run; 0 if only its data can tell.
        steps_done: the steps that need not be trained again, as its log tells.
        seconds: the time that the rest of the run takes here.
    """

    row: str
    seed: int
    state: StateOfRun
    steps: int
    steps_done: int
    seconds: float


@dataclass(frozen=True)
class RemainingWork:
    """All runs of a plan.

    Attributes:
        runs: the runs, all rows of the first seed first.
        jobs: the runs at a time.
    """

    table: str
    title: str
    scale: str
    runs: tuple[RunAhead, ...]
    jobs: int

    @property
    def seconds(self) -> float:
        """The time until all runs have ended: that of all of them shared by the jobs, or of the longest."""
        left = [run.seconds for run in self.runs]
        return max([sum(left) / self.jobs, *left])

    def count(self, state: StateOfRun) -> int:
        """Return the number of runs in a state."""
        return sum(run.state == state for run in self.runs)

    def summary(self) -> str:
        """Return the plan in one sentence."""
        text = f"{self.count('recorded')} of {len(self.runs)} runs recorded, {self.count('begun')} begun"
        if not self.seconds:
            return f"{text}; nothing is left to train"
        return (
            f"{text}; the rest takes about {self.seconds / SECONDS_AN_HOUR:.1f} h here, {self.jobs} at a time"
        )

    def picture(self) -> RichTable:
        """Return a table with a line for each row: its seeds by state, and the hours that they still take."""
        picture = RichTable(title=f"{self.title}, scale {self.scale}", title_justify="left")
        picture.add_column("row")
        for name in ("recorded", "begun", "missing", "hours left"):
            picture.add_column(name, justify="right")
        for row in dict.fromkeys(run.row for run in self.runs):
            runs = [run for run in self.runs if run.row == row]
            seeds = [
                ", ".join(str(run.seed) for run in runs if run.state == state)
                for state in ("recorded", "begun", "missing")
            ]
            picture.add_row(row, *seeds, f"{sum(run.seconds for run in runs) / SECONDS_AN_HOUR:.2f}")
        return picture

    def to_json(self) -> dict[str, Any]:
        """Return the plan as one JSON object; times are in hours."""
        runs = [asdict(run) for run in self.runs]
        for run in runs:
            run["hours"] = run.pop("seconds") / SECONDS_AN_HOUR
        return {
            "table": self.table,
            "scale": self.scale,
            "jobs": self.jobs,
            **{state: self.count(state) for state in ("recorded", "begun", "missing")},
            "hours": self.seconds / SECONDS_AN_HOUR,
            "runs": runs,
        }


def list_remaining_work(plan: Plan, *, jobs: int | None) -> RemainingWork:
    """Return the runs of a plan with the time that they still take here, `jobs` at a time; nothing is trained.

    Raises:
        UsageError: an option does not fit, or rows need a folder of images that is not named.
        FileFormatError: a file of records is damaged.
        RunError: a network cannot be measured.
    """
    jobs, threads = threads_of_run(plan, jobs)
    evidence = plan.evidence()
    planned: list[PlannedRun] = []
    for run in plan_as_recorded(plan, evidence):
        # A second row may be the same run tested in another way.
        if all(run.recipe != other.recipe for other in planned):
            planned.append(run)
    recorded = [is_recorded(run, evidence) for run in planned]
    left = [run for run, is_done in zip(planned, recorded, strict=True) if not is_done]
    if any(run.recipe.data == FOLDER for run in left):
        raise UsageError("rows on ImageNet need a folder of images; give --data FOLDER")
    seconds = iter(seconds_of_runs([run.recipe for run in left], threads, jobs))
    begun = list(_read_experiments(plan.out))
    runs = []
    for run, is_done in zip(planned, recorded, strict=True):
        steps = run.recipe.steps or 0
        done = None if is_done else _count_steps_done(run, begun, plan.out)
        state: StateOfRun = "recorded" if is_done else "missing" if done is None else "begun"
        share_left = 0.0 if is_done else 1 - (done or 0) / steps if steps else 1.0
        time = 0.0 if is_done else next(seconds) * share_left
        finished = steps if is_done else done or 0
        runs.append(RunAhead(run.row.id, run.recipe.seed, state, steps, finished, time))
    return RemainingWork(plan.name, plan.table.title, plan.scale, tuple(runs), jobs)


def _read_experiments(out: Path) -> Iterable[Experiment]:
    """Yield the experiments whose folders are in the folder of results; damaged ones begin anew."""
    for file in sorted(out.glob("runs/*/experiment.json")):
        try:
            yield Experiment.read(file.parent)
        except FileFormatError:
            continue


def _count_steps_done(run: PlannedRun, begun: Sequence[Experiment], out: Path) -> int | None:
    """Return the steps that a run has logged, whichever table it was made for first; None if it has not begun."""
    wanted = _select_determining(run.recipe.to_json())
    found = (experiment for experiment in begun if _select_determining(experiment.recipe) == wanted)
    return max((done for e in found if (done := count_steps_done(e, out)) is not None), default=None)


def _select_determining(recipe: Any) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if name not in WITHOUT_EFFECT}
