"""A table, a figure or the claims of the paper: the recorded runs, the missing runs, and their training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from resunit.errors import RunError, UsageError
from resunit.io.cores import available_cores
from resunit.io.fields import to_json
from resunit.reports.curves import draw_curves
from resunit.reports.paper_comparison import PaperComparison
from resunit.reproduction.argument.statements import statements_of
from resunit.reproduction.claims import ClaimOutcome, judge_claims
from resunit.reproduction.claims.choosing import SEEDS_FOR_A_VERDICT
from resunit.reproduction.claims.later import LaterOutcome, judge_later
from resunit.reproduction.comparison import (
    make_comparison,
    select_counted,
    select_later,
    select_outcomes,
    select_records_of_row,
)
from resunit.reproduction.evidence.records import has_ended, select_records
from resunit.reproduction.experiments.experiment import Experiment, PlannedRun, plan_experiments
from resunit.reproduction.experiments.setting import setting_of
from resunit.reproduction.figures.signal import SignalComparison, compare_signals
from resunit.reproduction.figures.signal_figure import save_figure
from resunit.reproduction.figures.training_curves import make_curves
from resunit.reproduction.pilots import Pilots, examine_pilots
from resunit.reproduction.plan import SIGNAL, Plan
from resunit.reproduction.recorded_precision import is_recorded, take_recorded_precision
from resunit.reproduction.running.board import Board
from resunit.reproduction.running.on_ray import RayTasks
from resunit.reproduction.running.run_times import seconds_of_runs
from resunit.reproduction.running.runner import LocalProcesses, perform_all
from resunit.reproduction.seeds import leave_out_seeds_at_chance
from resunit.runs.schema import ExperimentRecord
from resunit.training.devices import free_memory_of, resolve_device

MEMORY_OF_SMOKE_RUN = 2 * 2**30
"""The bytes of a GPU that a process with a few small steps takes, nearly all of them for CUDA and its libraries."""


def train_missing(
    plan: Plan, *, jobs: int | None, on: str, address: str | None, quiet: bool
) -> list[Experiment]:
    """Train all runs of the plan to their end, and return them; runs that ended earlier are not run again.

    Where nobody said how many seeds, the first three of all rows come first, and tell which rows need more.
    Where all runs are recorded in another precision than this machine's, and none was asked for, nothing is run.

    Args:
        plan: the request.
        jobs: the runs at a time; None means one, and at smoke scale one for each core, since such runs do
            little but start; on a GPU as many of them as its free memory has room for.
        on: "local", or "ray" for a Ray cluster.
        address: the address of the cluster; None starts one on this machine.
        quiet: whether nothing is shown while runs train.

    Raises:
        UsageError: there is nothing to run, or an option does not fit.
        DataError: a data set is damaged.
        FileFormatError: a file of records is damaged.
        RunError: another runner works in the folder of results.
        WriteError: a record cannot be written.
        Interrupted: the runner was asked to stop.
    """
    if plan.records is not None:
        raise UsageError("--records only shows a file; leave it out to train")
    if plan.seeds_follow_rule and plan.seeds > SEEDS_FOR_A_VERDICT:
        first = replace(plan, seeds=SEEDS_FOR_A_VERDICT)
        _train(first, jobs=jobs, on=on, address=address, quiet=quiet)
    return _train(plan, jobs=jobs, on=on, address=address, quiet=quiet)


def _train(plan: Plan, *, jobs: int | None, on: str, address: str | None, quiet: bool) -> list[Experiment]:
    jobs, threads = threads_of_run(plan, jobs)
    if plan.scale != "smoke" and _is_recorded_in_another_precision(plan):
        return []
    wanted = plan_experiments(
        plan.name, plan.table, scale=plan.scale, seeds=plan.seeds, data=plan.data, changes=plan.changes
    )
    if not wanted:
        raise UsageError(f"{plan.name}: nothing to run, because the data of its rows are not on this machine")
    if plan.seeds_follow_rule:
        asked = {(run.row.id, run.recipe.seed) for run in _runs_by_rule(plan, plan.evidence())}
        wanted = [experiment for experiment in wanted if (experiment.row, experiment.seed) in asked]
    device = resolve_device(wanted[0].typed_recipe.device)
    before = [record for record in select_records(wanted, plan.evidence()) if has_ended(record)]
    pooled = {record.identity for record in plan.pooled}
    own = [experiment for experiment in wanted if experiment.identity not in pooled]
    shows_time = not quiet and on == "local" and plan.scale != "smoke"
    seconds = _seconds_left(own, before, threads, jobs) if shows_time else {}
    executor = (
        RayTasks(address, jobs, device) if on == "ray" else LocalProcesses(jobs, free_memory_of(device))
    )
    with Board(plan.table, wanted, before, plan.out, quiet, seconds, jobs) as board:
        perform_all(own, plan.out, plan.scale, executor, board)
    return wanted


def threads_of_run(plan: Plan, jobs: int | None) -> tuple[int, int]:
    """Return the runs at a time, and the threads of each. Raises UsageError if `jobs` is below 1."""
    if jobs is None:
        jobs = _count_smoke_runs(plan) if plan.scale == "smoke" else 1
    if jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {jobs}")
    return jobs, max(1, available_cores() // jobs)


def _count_smoke_runs(plan: Plan) -> int:
    device = resolve_device(plan.changes.get("device", "auto"))
    free = free_memory_of(device) if device.type == "cuda" else None
    return available_cores() if free is None else max(1, min(available_cores(), free // MEMORY_OF_SMOKE_RUN))


def _seconds_left(
    wanted: Sequence[Experiment], before: Sequence[ExperimentRecord], threads: int, jobs: int
) -> dict[str, float]:
    """Return the seconds of each run that has not ended, by identity; none if a network cannot be measured.

    The run itself then says why, and the others go on.
    """
    ended = {record.identity for record in before}
    left = [experiment for experiment in wanted if experiment.identity not in ended]
    try:
        seconds = seconds_of_runs([experiment.typed_recipe for experiment in left], threads, jobs)
    except RunError:
        return {}
    return dict(zip((experiment.identity for experiment in left), seconds, strict=True))


@dataclass(frozen=True)
class Reproduction:
    """A table, figure or the claims of the paper, with the records of its runs.

    Attributes:
        records: the records of the table's runs.
        comparable: all records of the same settings, for the claims that they decide together.
        missing: the runs that have no record yet.
    """

    plan: Plan
    records: tuple[ExperimentRecord, ...]
    comparable: tuple[ExperimentRecord, ...]
    missing: tuple[PlannedRun, ...]

    @property
    def comparison(self) -> PaperComparison:
        """The table beside the paper's numbers."""
        return make_comparison(self.plan.table, self.records)

    @property
    def outcomes(self) -> list[ClaimOutcome]:
        """The outcomes of the claims about these networks, corrected for all that can be tested."""
        return select_outcomes(self.plan.table, judge_claims(self.comparable))

    @property
    def later(self) -> list[LaterOutcome]:
        """The outcomes of the comparisons of later designs that are in this table."""
        return select_later(self.plan.table, judge_later(self.comparable))

    @property
    def signals(self) -> SignalComparison | None:
        """The signal in the table's designs, if the table is "signal". Raises UsageError."""
        if self.plan.name != SIGNAL:
            return None
        origin = str(self.plan.records or f"scale {self.plan.scale}")
        return compare_signals(self.plan.table, self.records, steps=self.plan.signal_steps, origin=origin)

    @property
    def pilots(self) -> list[Pilots]:
        """What the pilots among the records say, for each of their settings."""
        return examine_pilots(self.records)

    def draw(self) -> list[Path]:
        """Draw the figure's curves, or the signal, into the folder of results; a table draws nothing.

        Raises UsageError if there is no signal to draw, and WriteError.
        """
        plot, signals = make_curves(self.plan.table, self.records), self.signals
        if plot is None and signals is None:
            return []
        self.plan.out.mkdir(parents=True, exist_ok=True)
        if signals is not None:
            return [save_figure(signals, self.plan.out / "designs.png")]
        return [
            draw_curves(plot, self.plan.out / f"{self.plan.name}{suffix}")
            for suffix in (".png", ".pdf")
            if plot
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the table, the verdicts and the records as one JSON object."""
        signals, comparison, outcomes = self.signals, self.comparison, self.outcomes
        counted = select_counted(outcomes)
        return {
            "table": self.plan.name,
            "caption": comparison.caption,
            "rows": [asdict(row) for row in comparison.rows],
            "order": None if comparison.order is None else comparison.order.to_json(),
            "claims": [
                outcome.to_json() | {"statements": statements_of(outcome.claim)} for outcome in outcomes
            ],
            "counted": len(counted),
            "decided": sum(outcome.verdict != "undecided" for outcome in counted),
            "later": [later.to_json() for later in self.later],
            "pilots": [pilots.to_json() for pilots in self.pilots],
            "records": [to_json(record) for record in self.records],
            "missing": [{"row": run.row.id, "seed": run.recipe.seed} for run in self.missing],
            **({} if signals is None else {"designs": signals.to_json()}),
        }


def read_reproduction(plan: Plan, trained: Sequence[Experiment] = ()) -> Reproduction:
    """Return the recorded runs of the plan; nothing is trained, and no data set is read.

    Args:
        plan: the request. Runs of the settings that are asked for are shown if all of them are recorded, or
            if recipes are changed; otherwise all runs of the scale are. A recorded run counts whatever precision
            this machine would train it in, unless a precision is asked for.
        trained: the runs that were just trained, which alone are shown then.

    Raises:
        UsageError: a change does not fit.
        FileFormatError: a file of records is damaged.
    """
    evidence = plan.evidence()
    if trained:
        return _reproduction(plan, select_records(trained, evidence), evidence, missing=())
    planned = plan_as_recorded(plan, evidence)
    missing = tuple(run for run in planned if not is_recorded(run, evidence))
    identities = {
        record.identity for row in plan.table.rows for record in select_records_of_row(row, evidence)
    }
    shown = [record for record in evidence if record.identity in identities]
    if plan.changes_numbers or not missing:
        shown = [record for record in shown if any(run.has_setting_of(record) for run in planned)]
    return _reproduction(plan, shown, evidence, missing)


def _reproduction(
    plan: Plan,
    records: Sequence[ExperimentRecord],
    evidence: Sequence[ExperimentRecord],
    missing: tuple[PlannedRun, ...],
) -> Reproduction:
    settings = {setting_of(record) for record in records}
    comparable = tuple(record for record in evidence if setting_of(record) in settings)
    return Reproduction(plan, tuple(records), comparable, missing)


def plan_as_recorded(plan: Plan, evidence: Sequence[ExperimentRecord]) -> list[PlannedRun]:
    """Return the planned runs, in the precision that was asked for or else in which most are recorded."""
    planned = _runs_by_rule(plan, evidence)
    return planned if "precision" in plan.changes else take_recorded_precision(planned, evidence)


def _runs_by_rule(plan: Plan, evidence: Sequence[ExperimentRecord]) -> list[PlannedRun]:
    """Return the planned runs, without seeds that the rule of seeds leaves out where it is followed."""
    return leave_out_seeds_at_chance(plan.runs(), evidence) if plan.seeds_follow_rule else plan.runs()


def _is_recorded_in_another_precision(plan: Plan) -> bool:
    """Return whether all runs are recorded, in another precision than this machine would train them in."""
    evidence = plan.evidence()
    runs = plan_as_recorded(plan, evidence)
    own = {(run.row.id, run.recipe.seed): run.recipe.precision for run in plan.runs()}
    return all(is_recorded(run, evidence) for run in runs) and any(
        run.recipe.precision != own[run.row.id, run.recipe.seed] for run in runs
    )
