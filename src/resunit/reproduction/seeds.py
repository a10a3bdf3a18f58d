"""How many seeds a row has where nobody says: five, or three where the first three learned nothing."""

from collections.abc import Sequence

from resunit.reproduction.claims.choosing import SEEDS_FOR_A_VERDICT
from resunit.reproduction.claims.quantities import is_at_chance
from resunit.reproduction.comparison import select_records_of_row
from resunit.reproduction.evidence.records import has_ended
from resunit.reproduction.experiments.experiment import PlannedRun
from resunit.runs.schema import ExperimentRecord

# The pilots fixed this rule before the first run that decides anything (docs/lab-notes.md).
SEEDS_OF_A_NETWORK_THAT_LEARNS = 5  # Seeds of a network at chance hardly differ, so three of them are enough.


def seeds_of_scale(scale: str) -> int:
    """Return the number of seeds that a row has at a scale, if it learns."""
    if scale == "smoke":
        return 1
    return SEEDS_OF_A_NETWORK_THAT_LEARNS if scale == "laptop" else SEEDS_FOR_A_VERDICT


def leave_out_seeds_at_chance(
    planned: Sequence[PlannedRun], evidence: Sequence[ExperimentRecord]
) -> list[PlannedRun]:
    """Return the runs without the fourth and later seeds of each row whose first three ended at chance."""

    def is_stuck(run: PlannedRun) -> bool:
        first = [
            record
            for record in select_records_of_row(run.row, evidence)
            if record.seed < SEEDS_FOR_A_VERDICT and has_ended(record) and run.has_setting_of(record)
        ]
        return len(first) == SEEDS_FOR_A_VERDICT and all(map(is_at_chance, first))

    stuck = {run.row.id for run in planned if is_stuck(run)}
    return [run for run in planned if run.recipe.seed < SEEDS_FOR_A_VERDICT or run.row.id not in stuck]
