"""The evidence: records of runs, those that ship with the package and those in a folder of results.

Records that ship stand in reproduction/records/SCALE.jsonl and are only read. New records are added to
reproduce-SCALE.jsonl in the folder of results.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from resunit.errors import FileFormatError
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.experiments.identity import NUMERICS
from resunit.reproduction.experiments.setting import recipe_of_scale
from resunit.runs.record_files import append_records, read_all
from resunit.runs.schema import ExperimentRecord

SHIPPED = Path(__file__).parents[1] / "records"


def records_path(out: Path, scale: str) -> Path:
    """Return the file of a folder of results that holds the records of a scale."""
    return out / f"reproduce-{scale}.jsonl"


def read_evidence(out: Path, scale: str) -> list[ExperimentRecord]:
    """Return all records of a scale: those that ship with the package, then those in the folder `out`.

    If both have a record of the same run, the record in `out` is returned. Raises FileFormatError as
    `read_records` does.
    """
    records = [*read_records(SHIPPED / f"{scale}.jsonl"), *read_records(records_path(out, scale))]
    return select_newest_of_each_run(records)


def read_shipped() -> list[ExperimentRecord]:
    """Return the records of every scale that ship with the package; there may be none."""
    return [record for file in sorted(SHIPPED.glob("*.jsonl")) for record in read_records(file)]


def read_records(path: Path) -> list[ExperimentRecord]:
    """Return the newest record of each run in a file; no records if there is no such file.

    Raises:
        FileFormatError: a line is damaged, or made with another NUMERICS version; the message names the file
            and the line or the run.
    """
    records = [_with_recipe(record) for record in read_all(ExperimentRecord, path)]
    for number, record in enumerate(records, 1):
        if record.numerics != NUMERICS:
            raise FileFormatError(
                f"{path}, line {number}: made with NUMERICS {record.numerics}, and this is {NUMERICS}; such "
                "numbers cannot be compared: move the file away or choose another --out"
            )
    return select_newest_of_each_run(records)


def has_ended(record: ExperimentRecord) -> bool:
    """Return whether the run of a record is over; a failed run is not, because it is tried again."""
    return record.status in ("done", "diverged")


def add_record(path: Path, record: ExperimentRecord) -> None:
    """Add a record to a file. Raises WriteError, and then the file is as it was."""
    append_records(path, [record])


def select_records(
    experiments: Iterable[Experiment], records: Iterable[ExperimentRecord]
) -> list[ExperimentRecord]:
    """Return the records of these experiments."""
    wanted = {experiment.identity for experiment in experiments}
    return [record for record in records if record.identity in wanted]


def select_newest_of_each_run(records: Iterable[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return the records with each run once: the later of two records stays."""
    return list({record.identity: record for record in records}.values())


def _with_recipe(record: ExperimentRecord) -> ExperimentRecord:
    """Return the record with the hash of its recipe.

    The first records had no such hash, and all of them are of their scale's own recipe.
    """
    return record if record.recipe else replace(record, recipe=recipe_of_scale(record.scale) or "")
