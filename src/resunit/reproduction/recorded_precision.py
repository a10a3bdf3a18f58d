"""The precision in which runs are recorded, which need not be the one that this machine would train in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from resunit.reproduction.comparison import select_records_of_row
from resunit.reproduction.evidence.records import has_ended
from resunit.reproduction.experiments.experiment import PlannedRun
from resunit.runs.schema import ExperimentRecord


def take_recorded_precision(
    planned: Iterable[PlannedRun], evidence: Sequence[ExperimentRecord]
) -> list[PlannedRun]:
    """Return the runs in the precision in which most of them are recorded.

    Rows of one network are compared with each other, so they have one precision. Of equally good ones it is the
    precision that this machine trains in.
    """
    of_network: dict[str | None, list[PlannedRun]] = defaultdict(list)
    for run in planned:
        of_network[run.recipe.model].append(run)
    return [run for runs in of_network.values() for run in _find_most_recorded(runs, evidence)]


def is_recorded(run: PlannedRun, evidence: Sequence[ExperimentRecord]) -> bool:
    """Return whether a run of this row, seed and setting has ended."""
    return any(
        record.seed == run.recipe.seed and has_ended(record) and run.has_setting_of(record)
        for record in select_records_of_row(run.row, evidence)
    )


def _find_most_recorded(runs: list[PlannedRun], evidence: Sequence[ExperimentRecord]) -> list[PlannedRun]:
    precisions = dict.fromkeys(
        record.precision for run in runs for record in select_records_of_row(run.row, evidence)
    )
    recorded = (
        [replace(run, recipe=replace(run.recipe, precision=precision)) for run in runs]
        for precision in precisions
    )
    return max([runs, *recorded], key=lambda choice: sum(is_recorded(run, evidence) for run in choice))
