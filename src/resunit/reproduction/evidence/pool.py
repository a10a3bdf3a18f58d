"""Records that somebody else made, on another machine, to stand beside one's own."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from resunit.errors import FileFormatError, UsageError
from resunit.reproduction.evidence.records import has_ended, read_records
from resunit.reproduction.experiments.setting import Setting, describe_differences, setting_of
from resunit.runs.schema import ExperimentRecord


class RecordsLeftOut(UserWarning):
    """Some records of a pooled file are of other settings than the runs that they would be pooled with."""


def read_pool(
    files: Iterable[Path], settings: Iterable[Setting], *, in_any_precision: bool
) -> list[ExperimentRecord]:
    """Return the records of runs that ended and have the setting of the runs that are asked for.

    Records of another setting are left out, with a RecordsLeftOut warning. The data are no part of the
    comparison, because each row names its own.

    Args:
        files: files of records.
        settings: the settings of the runs that are asked for.
        in_any_precision: whether the precision of those runs is this machine's choice, so that records of another
            precision are of the same setting; they are shown apart all the same.

    Raises:
        FileFormatError: a file is missing or damaged.
        UsageError: a file has no record of these settings.
    """
    wanted = {_comparable(setting, in_any_precision) for setting in settings}
    found: list[ExperimentRecord] = []
    for file in files:
        records = _read(file)
        fitting, other = [], []
        for record in records:
            (fitting if _fits(record, wanted, in_any_precision) else other).append(record)
        if not fitting:
            raise UsageError(f"--pool {file}: no record of the setting asked for{_reason(other, wanted)}")
        if other:
            warnings.warn(
                f"--pool {file}: {len(other)} of {len(records)} records left out{_reason(other, wanted)}",
                RecordsLeftOut,
                stacklevel=2,
            )
        found += fitting
    return found


def _read(file: Path) -> list[ExperimentRecord]:
    """Return the records of the runs that ended. Raises FileFormatError."""
    if not file.is_file():
        raise FileFormatError(f"{file}: no such file; --pool takes a file of records, reproduce-SCALE.jsonl")
    return [record for record in read_records(file) if has_ended(record)]


def _fits(record: ExperimentRecord, wanted: Iterable[Setting], in_any_precision: bool) -> bool:
    setting = _comparable(setting_of(record), in_any_precision)
    # The steps of a run are 0 if only its data can tell how many they are.
    return any(setting == other._replace(steps=other.steps or setting.steps) for other in wanted)


def _comparable(setting: Setting, in_any_precision: bool) -> Setting:
    setting = setting._replace(data="")
    return setting._replace(precision="") if in_any_precision else setting


def _reason(other: Sequence[ExperimentRecord], wanted: Iterable[Setting]) -> str:
    """Return how the records that are left out differ from what is asked for, after a colon."""
    asked = next(iter(wanted), None)
    if not other or asked is None:
        return ""
    settings = [_comparable(setting_of(record), not asked.precision) for record in other]
    return f": {describe_differences([asked, *settings])}"
