"""The records in folders and files, whatever kind of run or benchmark wrote them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from resunit.errors import FileFormatError, UsageError
from resunit.io.jsonl import read_lines
from resunit.reports.compared_run import ComparedRun, with_all_options
from resunit.reproduction.evidence.compared_runs import compare_recipe_run, compare_run, with_own_names
from resunit.reproduction.evidence.records import read_records
from resunit.reproduction.evidence.run_record import record_of
from resunit.reproduction.experiments.experiment import Experiment
from resunit.runs.benchmark_record import BenchmarkRecord, upgrade_benchmark
from resunit.runs.read import read_run
from resunit.runs.recipe_run import RecipeRun, upgrade_recipe_run
from resunit.runs.record_files import read_all
from resunit.runs.schema import ExperimentRecord

RecordKind = Literal["experiment", "recipe run", "benchmark"]


@dataclass(frozen=True)
class FoundRecords:
    """The records in the paths that a user named.

    Attributes:
        runs: ordinary runs, each with a name of its own.
        experiments: runs of rows of the paper's tables, each once.
        measurements: measurements of benchmarks.
        unfinished: folders of runs that have not ended.
    """

    runs: list[ComparedRun] = field(default_factory=list)
    experiments: list[ExperimentRecord] = field(default_factory=list)
    measurements: list[BenchmarkRecord] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.runs or self.experiments or self.measurements)


def find_records(paths: Iterable[Path]) -> FoundRecords:
    """Return the records in `paths`.

    A path is the folder of a run, a file of records, or a folder that holds folders of runs and files of records.

    A file in a run's folder stands for the run. In a folder that is searched, other files are passed over.

    Raises:
        UsageError: there is no such path.
        FileFormatError: a record is damaged, or a named file holds no records; the message names the file.
    """
    places = _Places()
    for path in paths:
        places.add(path)
    found = FoundRecords()
    folder_of_run: list[Path | None] = []
    for folder in places.folders.values():
        if not (folder / "result.json").exists():
            found.unfinished.append(folder)
            continue
        run = read_run(folder)
        if (folder.parent / "experiment.json").exists():
            found.experiments.append(record_of(Experiment.read(folder.parent), run))
        else:
            found.runs.append(compare_run(run))
            folder_of_run.append(folder)
    for file in places.files.values():
        _add_records_of(file, file in places.named, found)
    # One run may stand in a file of records and in its folder as well.
    experiments = list({record.identity or id(record): record for record in found.experiments}.values())
    folder_of_run += [None] * (len(found.runs) - len(folder_of_run))
    runs = with_all_options(with_own_names(found.runs, folder_of_run))
    return replace(found, runs=runs, experiments=experiments)


@dataclass(frozen=True)
class _Places:
    """Where records are; the keys are resolved paths, so that a place that is named twice counts once.

    Attributes:
        folders: the folders of runs.
        files: the files of records.
        named: the files that the user named, and not a folder around them.
    """

    folders: dict[Path, Path] = field(default_factory=dict)
    files: dict[Path, Path] = field(default_factory=dict)
    named: set[Path] = field(default_factory=set)

    def add(self, path: Path) -> None:
        """Add a path that the user named. Raises UsageError if there is none."""
        if path.is_file() and _is_run(path.parent):
            self.folders.setdefault(path.parent.resolve(), path.parent)
        elif path.is_file():
            self.files[path.resolve()] = path
            self.named.add(path)
        elif not path.is_dir():
            raise UsageError(f"{path}: no such file or folder; correct the path")
        elif _is_run(path):
            self.folders.setdefault(path.resolve(), path)
        else:
            self._search(path)

    def _search(self, folder: Path) -> None:
        for recipe in sorted(folder.rglob("recipe.json")):
            self.folders.setdefault(recipe.parent.resolve(), recipe.parent)
        for file in sorted(folder.rglob("*.jsonl")):
            if not _is_run(file.parent):
                self.files.setdefault(file.resolve(), file)


def _is_run(folder: Path) -> bool:
    return (folder / "recipe.json").exists()


def _add_records_of(path: Path, is_named: bool, found: FoundRecords) -> None:
    """Add the records of a file; a file that the user did not name may hold something else."""
    if not (lines := read_lines(path)):
        return
    kind = _kind_of(lines[0])
    if kind == "experiment":
        found.experiments.extend(read_records(path))
    elif kind == "recipe run":
        found.runs.extend(_recipe_runs_in(path))
    elif kind == "benchmark":
        found.measurements.extend(read_all(BenchmarkRecord, path, upgrade_benchmark))
    elif is_named:
        raise FileFormatError(
            f"{path}, line 1: no record of a run or a benchmark; name a run's folder, or a file that "
            "`resunit reproduce` wrote"
        )


def _recipe_runs_in(path: Path) -> Iterator[ComparedRun]:
    for number, run in enumerate(read_all(RecipeRun, path, upgrade_recipe_run), 1):
        yield compare_recipe_run(run, f"{path}, line {number}")


def _kind_of(record: dict[str, Any]) -> RecordKind | None:
    """Return what a line of a file of records is, in any format; None if it is something else."""
    if "identity" in record:
        return "experiment"
    if isinstance(record.get("recipe"), dict):
        return "recipe run"
    return "benchmark" if "measurement" in record or "contestant" in record else None
