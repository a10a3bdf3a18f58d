"""The signal in the paper's designs, measured in runs before the first step and after some steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resunit.errors import UsageError
from resunit.io.format import drop_nonfinite
from resunit.reproduction.comparison import select_records_of_row
from resunit.reproduction.experiments.setting import (
    Setting,
    describe_differences,
    find_most_common,
    setting_of,
)
from resunit.reproduction.paper.rows import Row
from resunit.reproduction.paper.tables import Table
from resunit.runs.schema import ExperimentRecord

# These measures of the signal are drawn; the text labels their axes.
DRAWN_MEASURES = {
    "gradient_gain": "||dE/dx||, relative to the last unit",
    "shortcut_gain": "direct term, through h alone",
    "direct_gain": "direct term, through h and f",
}

Measured = Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class SignalComparison:
    """The signal in several designs of one network, at initialisation and after `steps` steps of training.

    Attributes:
        steps: the steps before the second measurement.
        records: one run of each design, by design; all are of one setting.
        missing: the designs of which there is no run.
    """

    steps: int
    records: Mapping[str, ExperimentRecord]
    missing: tuple[str, ...]

    def initially(self, design: str) -> Measured | None:
        """Return the drawn measures at each junction before the first step, if they were taken."""
        return _read_measures(self.records[design], 0)

    def trained(self, design: str) -> Measured | None:
        """Return the drawn measures at each junction after the steps, if the run came as far."""
        return _read_measures(self.records[design], self.steps)

    @property
    def drawn(self) -> tuple[str, ...]:
        """The drawn measures that at least one run has; older records have no direct term."""
        points = [point for record in self.records.values() for point in record.propagation]
        return tuple(
            name
            for name in DRAWN_MEASURES
            if any(value is not None for point in points for value in point.measures.get(name, ()))
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return what was measured as an object for each design."""
        return [
            {
                "design": design,
                "status": record.status,
                "seed": record.seed,
                "initially": self.initially(design),
                "trained": self.trained(design),
            }
            for design, record in self.records.items()
        ]


def compare_signals(
    table: Table, records: Sequence[ExperimentRecord], *, steps: int, origin: str
) -> SignalComparison:
    """Return the signal in the designs of `table`; of each design, the run with the lowest seed.

    Runs are compared only if their whole setting is equal, the recipe's hash included. Records without measurements of
    the signal are left out. `steps` is the step of the second measurement; messages name the `origin` of the records.

    Raises:
        UsageError: no design has a run, no setting has a run of every design that has any, or no run
            measured the signal at the steps asked for.
    """
    found = {row.network.design: _select_runs_with_signal(row, records) for row in table.rows if row.network}
    recorded = {design: runs for design, runs in found.items() if runs}
    if not recorded:
        raise UsageError(
            f"{origin}: no run of these designs measured the signal; "
            "`resunit reproduce signal --run` trains them"
        )
    setting = _common_setting(recorded, origin)
    chosen = {
        design: next(record for record in runs if setting_of(record) == setting)
        for design, runs in recorded.items()
    }
    measured = sorted({point.step for record in chosen.values() for point in record.propagation})
    for wanted in (0, steps):
        if wanted not in measured:
            raise UsageError(
                f"{origin}: no run measured the signal at step {wanted}; set --steps to one of "
                f"{', '.join(map(str, measured))}"
            )
    return SignalComparison(steps, chosen, tuple(design for design in found if design not in recorded))


def changes_for_signal(
    changes: Mapping[str, Any], steps: int, watched: int | None, length: int
) -> dict[str, Any]:
    """Return the `changes` of a recipe with which a run also measures the signal at step `steps`.

    The recipe measures every `watched` steps and is `length` steps long. A measurement precedes a step, so the run has
    to be longer.
    """
    needed: dict[str, Any] = {}
    if watched is None or steps % watched:
        needed["watch_propagation"] = steps
    if steps >= length:
        needed["steps"] = steps + 1
    return needed | dict(changes)


def _select_runs_with_signal(row: Row, records: Iterable[ExperimentRecord]) -> list[ExperimentRecord]:
    runs = (record for record in select_records_of_row(row, records) if record.propagation)
    return sorted(runs, key=lambda record: record.seed)


def _common_setting(recorded: Mapping[str, Sequence[ExperimentRecord]], origin: str) -> Setting:
    """Return the most common setting in which every design has a run. Raises UsageError if none has."""
    settings = [{setting_of(record) for record in runs} for runs in recorded.values()]
    shared = set.intersection(*settings)
    if not shared:
        differing = describe_differences({setting_of(runs[0]) for runs in recorded.values()})
        raise UsageError(
            f"{origin}: these runs cannot be compared, for they differ in {differing}; give the options of one "
            "setting, such as --steps or --precision, or --records FILE with one setting"
        )
    common = find_most_common(r for runs in recorded.values() for r in runs if setting_of(r) in shared)
    assert common is not None
    return common


def _read_measures(record: ExperimentRecord, step: int) -> Measured | None:
    for point in record.propagation:
        if point.step == step:
            return {
                name: tuple(map(drop_nonfinite, point.measures[name]))
                for name in DRAWN_MEASURES
                if name in point.measures
            }
    return None
