"""A table, a figure or the claims of the paper: the recorded runs, the missing runs, and their training."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from resunit.errors import FileFormatError, UsageError, unknown
from resunit.io.cores import available_cores
from resunit.io.fields import to_json
from resunit.io.places import user_path
from resunit.models.custom import add_design
from resunit.reports.curves import draw_curves
from resunit.reports.paper_comparison import Comparison
from resunit.reproduction.board import Board
from resunit.reproduction.claims import ClaimOutcome, judge
from resunit.reproduction.claims.choosing import SEEDS_FOR_A_VERDICT
from resunit.reproduction.evidence import has_ended, read_evidence, read_records, records_of
from resunit.reproduction.experiment import Experiment, PlannedRun, experiments, planned_runs
from resunit.reproduction.networks import network
from resunit.reproduction.on_ray import RayTasks
from resunit.reproduction.pictures import figure
from resunit.reproduction.publication import OWN, about, comparison, records_of_row
from resunit.reproduction.recorded_precision import in_recorded_precision, is_recorded
from resunit.reproduction.rows import Row
from resunit.reproduction.runner import LocalProcesses, perform_all
from resunit.reproduction.scales import SCALES
from resunit.reproduction.setting import setting_of
from resunit.reproduction.signal import SignalComparison, changes_for_signal, compare_signals
from resunit.reproduction.signal_figure import save_figure
from resunit.reproduction.statements import statements_of
from resunit.reproduction.tables import TABLES, Table
from resunit.runs.recipe_format import WITHOUT_EFFECT
from resunit.runs.schema import ExperimentRecord
from resunit.training.devices import free_memory, resolve_device

SIGNAL = "signal"
STEPS_OF_SIGNAL = 200  # At smoke scale a run has few steps, and this is its last measurement.
FOLDER = "FOLDER"  # It stands for the folder of images, which the user has not named.


@dataclass(frozen=True)
class Plan:
    """A request to `resunit reproduce`.

    Attributes:
        name: the name of the table.
        table: the table with the rows that were chosen.
        scale: the scale of the reproduction.
        seeds: the number of seeds of each row.
        data: the folder of images of the rows that name no data set.
        changes: fields of every recipe that differ from the scale's own.
        out: the folder of results.
        records: a file whose records are shown in place of all others.
        signal_steps: the steps before the second measurement of the signal.
    """

    name: str
    table: Table
    scale: str
    seeds: int
    data: str | None
    changes: Mapping[str, Any]
    out: Path
    records: Path | None
    signal_steps: int

    @property
    def changes_numbers(self) -> bool:
        """Whether a change makes the runs other runs, and does not only watch or store them differently."""
        return any(name not in WITHOUT_EFFECT for name in self.changes)

    def evidence(self) -> list[ExperimentRecord]:
        """Return the records that the table can show. Raises FileFormatError for a damaged file."""
        if self.records is None:
            return read_evidence(self.out, self.scale)
        if not self.records.exists():
            raise FileFormatError(f"{self.records}: no such file; --records takes one of JSON lines")
        return read_records(self.records)

    def runs(self) -> list[PlannedRun]:
        """Return the runs that this machine would train, with a stand-in for a folder that was not named."""
        return list(
            planned_runs(
                self.table,
                scale=self.scale,
                seeds=self.seeds,
                data=self.data or FOLDER,
                changes=self.changes,
            )
        )


def make_plan(
    name: str,
    *,
    scale: str,
    seeds: int | None,
    only: str,
    data: str | None,
    changes: Mapping[str, Any],
    add: Sequence[str],
    out: Path,
    records: Path | None,
) -> Plan:
    """Return the request with every default filled in.

    Args:
        name: a key of `TABLES`.
        scale: a key of `SCALES`.
        seeds: the number of seeds; None means what verdicts need, and one seed for smoke and the signal.
        only: a shell pattern of the ids of the rows.
        data: the folder of images of the rows that name no data set; for the signal any data set.
        changes: fields of every recipe that differ from the scale's own. For the signal, `steps` is the step
            of the second measurement.
        add: designs of the user's own, MODULE:CLASS, each one more row.
        out: the folder of results.
        records: a file whose records are shown in place of all others.

    Raises:
        UsageError: a name does not exist, or a value does not fit.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    out, records = user_path(out), None if records is None else user_path(records)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    if seeds is None:
        seeds = 1 if scale == "smoke" or name == SIGNAL else SEEDS_FOR_A_VERDICT
    if seeds < 1:
        raise UsageError(f"--seeds must be at least 1, not {seeds}")
    table = replace(TABLES[name], rows=select_rows(name, TABLES[name], only, add))
    steps = 0
    if name == SIGNAL:
        table, changes, steps = _for_the_signal(table, scale, data, changes, shows_a_file=records is not None)
    return Plan(name, table, scale, seeds, data, changes, out, records, steps)


def select_rows(name: str, table: Table, only: str, add: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows whose id matches `only`, and the user's own rows.

    If `only` matches none but own rows, these alone are returned. Raises UsageError if it matches nothing.
    """
    own = tuple(make_own_row(table, design) for design in add)
    found = tuple(row for row in table.rows if fnmatch.fnmatch(row.id, only))
    if found:
        return found + own
    found = tuple(row for row in own if fnmatch.fnmatch(row.id, only))
    if not found:
        raise unknown(f"row of {name}", only, [row.id for row in (*table.rows, *own)])
    return found


def make_own_row(table: Table, design: str) -> Row:
    """Return a row for the user's MODULE:CLASS, on the network and the data that the table is about."""
    add_design(design)
    first = next(row for row in table.rows if row.network is not None)
    assert first.network is not None
    name = design.partition(":")[2]
    return replace(
        first, id=name, label=name, network=network(first.network.model, design), published=None,
        published_top5=None, remark=OWN,
    )  # fmt: skip


def _for_the_signal(
    table: Table, scale: str, data: str | None, changes: Mapping[str, Any], *, shows_a_file: bool
) -> tuple[Table, Mapping[str, Any], int]:
    """Return the table on other data, the changes of recipes, and the step of the second measurement.

    A file of records is shown whatever the length of its runs, so that the step changes no recipe then.
    """
    recipe = SCALES[scale]()
    assert recipe.steps is not None
    changes = dict(changes)
    steps = changes.pop("steps", recipe.watch_propagation if scale == "smoke" else STEPS_OF_SIGNAL)
    watched = changes.get("watch_propagation", recipe.watch_propagation)
    if data is not None:
        table = replace(table, rows=tuple(replace(row, data=data) for row in table.rows))
    if not shows_a_file:
        changes = changes_for_signal(changes, steps, watched, recipe.steps)
    return table, changes, steps


def train_missing(
    plan: Plan, *, jobs: int | None, on: str, address: str | None, quiet: bool
) -> list[Experiment]:
    """Train all runs of the plan to their end, and return them; runs that ended earlier are not run again.

    Where all runs are recorded in another precision than this machine's, and none was asked for, nothing is run.

    Args:
        plan: the request.
        jobs: the runs at a time; None means one, and at smoke scale one for each core, since such runs do
            little but start.
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
    if jobs is None:
        jobs = available_cores() if plan.scale == "smoke" else 1
    if jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {jobs}")
    if plan.scale != "smoke" and _is_recorded_in_another_precision(plan):
        return []
    wanted = experiments(
        plan.name, plan.table, scale=plan.scale, seeds=plan.seeds, data=plan.data, changes=plan.changes
    )
    if not wanted:
        raise UsageError(f"{plan.name}: nothing to run; its rows' data cannot be had here")
    device = resolve_device(wanted[0].typed_recipe.device)
    executor = RayTasks(address, jobs, device) if on == "ray" else LocalProcesses(jobs, free_memory(device))
    before = [record for record in records_of(wanted, plan.evidence()) if has_ended(record)]
    with Board(plan.table, wanted, before, plan.out, quiet) as board:
        perform_all(wanted, plan.out, plan.scale, executor, board)
    return wanted


@dataclass(frozen=True)
class Reproduction:
    """A table, figure or the claims of the paper, with the records of its runs.

    Attributes:
        plan: the request.
        records: the records of the table's runs.
        comparable: all records of the same settings, for the claims that they decide together.
        missing: the runs that have no record yet.
    """

    plan: Plan
    records: tuple[ExperimentRecord, ...]
    comparable: tuple[ExperimentRecord, ...]
    missing: tuple[PlannedRun, ...]

    @property
    def comparison(self) -> Comparison:
        """The table beside the paper's numbers."""
        return comparison(self.plan.table, self.records)

    @property
    def outcomes(self) -> list[ClaimOutcome]:
        """The outcomes of the claims about these networks, corrected for all that can be tested."""
        return about(self.plan.table, judge(self.comparable))

    @property
    def signals(self) -> SignalComparison | None:
        """The signal in the table's designs, if the table is "signal". Raises UsageError."""
        if self.plan.name != SIGNAL:
            return None
        origin = str(self.plan.records or f"scale {self.plan.scale}")
        return compare_signals(self.plan.table, self.records, steps=self.plan.signal_steps, origin=origin)

    def draw(self) -> list[Path]:
        """Draw the figure's curves, or the signal, into the folder of results; a table draws nothing.

        Raises UsageError if there is no signal to draw, and WriteError.
        """
        plot, signals = figure(self.plan.table, self.records), self.signals
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
        signals = self.signals
        return {
            "table": self.plan.name,
            "caption": self.comparison.caption,
            "rows": [asdict(row) for row in self.comparison.rows],
            "claims": [
                outcome.to_json() | {"statements": statements_of(outcome.claim)} for outcome in self.outcomes
            ],
            "records": [to_json(record) for record in self.records],
            "missing": [{"row": run.row.id, "seed": run.recipe.seed} for run in self.missing],
            **({} if signals is None else {"designs": signals.to_json()}),
        }


def show(plan: Plan, trained: Sequence[Experiment] = ()) -> Reproduction:
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
        return _reproduction(plan, records_of(trained, evidence), evidence, missing=())
    planned = _runs_as_recorded(plan, evidence)
    missing = tuple(run for run in planned if not is_recorded(run, evidence))
    identities = {record.identity for row in plan.table.rows for record in records_of_row(row, evidence)}
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


def _runs_as_recorded(plan: Plan, evidence: Sequence[ExperimentRecord]) -> list[PlannedRun]:
    """Return the planned runs, in the precision that was asked for or else in which most are recorded."""
    planned = plan.runs()
    return planned if "precision" in plan.changes else in_recorded_precision(planned, evidence)


def _is_recorded_in_another_precision(plan: Plan) -> bool:
    """Return whether all runs are recorded, in another precision than this machine would train them in."""
    evidence = plan.evidence()
    runs = _runs_as_recorded(plan, evidence)
    own = {(run.row.id, run.recipe.seed): run.recipe.precision for run in plan.runs()}
    return all(is_recorded(run, evidence) for run in runs) and any(
        run.recipe.precision != own[run.row.id, run.recipe.seed] for run in runs
    )
