"""A run's folder: the files that a run writes, each as a typed record."""

import json
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from resunit.errors import DamagedRun, FileFormatError, RunError
from resunit.io.atomic import named_refusals, only_user_of, remove_partial_files, write_atomically
from resunit.io.json_text import parse_json
from resunit.runs.record_files import (
    Record,
    read_all,
    read_file,
    read_json,
    with_checksum,
    write_file,
    write_json,
)
from resunit.runs.schema import Environment, Evaluation, LogLine, PropagationLine, RunResult

KIND_OF_CHECKPOINT = "resunit-checkpoint"  # the metadata key of a checkpoint's record


class Entry:
    """The path of a file or folder of a run, by its name in the run's folder."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, run: "RunFolder", _owner: type) -> Path:
        return run.path / self.name


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run. Readers upgrade older formats and raise FileFormatError for what is damaged."""

    path: Path

    recipe = Entry("recipe.json")
    """The file of the resolved recipe."""
    environment = Entry("environment.json")
    """The file that says where the run happened."""
    log = Entry("log.jsonl")
    """The file with a line for each evaluation."""
    propagation = Entry("propagation.jsonl")
    """The file with a line for each measurement of the signal."""
    checkpoints = Entry("checkpoints")
    """The folder of checkpoints."""
    weights = Entry("weights.safetensors")
    """The file of the final weights."""
    evaluation = Entry("evaluation.json")
    """The file of the final weights' confusion matrix and worst mistakes."""
    result = Entry("result.json")
    """The file of the run's summary."""
    report = Entry("report.html")
    """The page of the run."""

    def read_recipe(self) -> dict[str, Any]:
        """Return the JSON object of recipe.json. Raises RunError if this is not the folder of a run."""
        if self.path.is_file():
            raise RunError(f"{self.path}: is a file; name the folder of a run, such as {self.path.parent}")
        if not self.recipe.exists():
            raise RunError(f"{self.path}: no recipe.json there; name a folder that `resunit train` wrote")
        return read_json(self.recipe)

    def write_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Write recipe.json."""
        write_json(self.recipe, recipe)

    def read_environment(self) -> Environment | None:
        """Return where the run happened; None if the run ended before it recorded that."""
        return read_file(Environment, self.environment) if self.environment.exists() else None

    def write_environment(self, environment: Environment) -> None:
        """Write environment.json."""
        write_file(self.environment, environment)

    def read_result(self) -> RunResult | None:
        """Return the run's summary; None if the run has not ended."""
        return read_file(RunResult, self.result) if self.result.exists() else None

    def write_result(self, result: RunResult) -> None:
        """Write result.json."""
        write_file(self.result, result)

    def read_finished_result(self) -> RunResult | None:
        """Return the result of a run that is done and has its weights and its page; None for a run that can continue.

        Raises:
            RunError: the run diverged.
        """
        result = self.read_result()
        if result is not None and result.status == "diverged":
            raise RunError(
                f"{self.path}: diverged at step {result.steps}, and would diverge again; start a new run, "
                "for instance with a lower --learning-rate"
            )
        is_whole = self.weights.exists() and self.report.exists()
        return result if result is not None and result.status == "done" and is_whole else None

    def read_evaluation(self) -> Evaluation | None:
        """Return the evaluation of the final weights; None if there is none."""
        return read_file(Evaluation, self.evaluation) if self.evaluation.exists() else None

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Write evaluation.json."""
        write_file(self.evaluation, evaluation)

    def read_log(self) -> list[LogLine]:
        """Return the lines of log.jsonl in the order of the steps; none if there is no such file."""
        return read_all(LogLine, self.log)

    def append_log(self, line: LogLine) -> None:
        """Add a line to log.jsonl, and flush it to disk."""
        _append(self.log, line)

    def log_bytes(self) -> int:
        """Return the size of log.jsonl."""
        return self.log.stat().st_size if self.log.exists() else 0

    def truncate_log(self, length: int) -> None:
        """Drop the lines of log.jsonl that were written after the checkpoint from which the run resumes.

        A DamagedRun warning says if lines that were written before it are missing.
        """
        if self.log_bytes() < length:
            warnings.warn(
                f"{self.log}: lines that were written before the checkpoint are missing",
                DamagedRun,
                stacklevel=2,
            )
        if self.log_bytes() > length:
            os.truncate(self.log, length)

    def read_propagation(self) -> list[PropagationLine]:
        """Return the lines of propagation.jsonl in the order of the steps; none if there is no such file."""
        return read_all(PropagationLine, self.propagation)

    def append_propagation(self, line: PropagationLine) -> None:
        """Add a line to propagation.jsonl, and flush it to disk."""
        _append(self.propagation, line)

    def truncate_propagation(self, step: int) -> None:
        """Drop the lines of propagation.jsonl from `step` on, because a run that resumes there writes them again.

        The earlier lines stay byte for byte as they are, whatever their format.
        """
        if self.propagation.exists():
            lines = self.propagation.read_bytes().splitlines(keepends=True)
            kept = [line for number, line in enumerate(lines, 1) if self._is_before(step, number, line)]
            if len(kept) < len(lines):
                write_atomically(self.propagation, b"".join(kept))

    def _is_before(self, step: int, number: int, line: bytes) -> bool:
        """Return whether a line of propagation.jsonl, the `number`-th, is whole and of a step before `step`."""
        try:
            return line.endswith(b"\n") and parse_json(line)["step"] < step
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(
                f"{self.propagation}, line {number}: damaged ({error}); remove that line"
            ) from error

    @contextmanager
    def only_user(self) -> Iterator[None]:
        """Hold the folder's lock, and remove what a killed process left half written.

        Raises:
            RunError: another process trains this run.
        """
        try:
            with only_user_of(self.path) as is_locked:
                if not is_locked:
                    warnings.warn(
                        f"{self.path}: its file system has no locks; see to it that only one process trains there",
                        DamagedRun,
                        stacklevel=3,
                    )
                remove_partial_files(self.path)
                remove_partial_files(self.checkpoints)
                yield
        except BlockingIOError:
            raise RunError(f"{self.path}: another process is training this run") from None


def resume_command(folder: Path) -> str:
    """Return the command that continues the run in `folder`, as a shell takes it."""
    return f"resunit train --resume {shlex.quote(str(folder))}"


def newest_run() -> Path:
    """Return the folder under runs/ that was last trained in. Raises RunError if there is none."""
    begun = [recipe.parent for recipe in Path("runs").glob("*/recipe.json")]
    if not begun:
        raise RunError("runs: holds no run; give the folder of the run to resume")
    return max(begun, key=_last_written)


def _last_written(run: Path) -> float:
    folder = RunFolder(run)
    written = (folder.recipe, folder.environment, folder.log, folder.checkpoints)
    return max(path.stat().st_mtime for path in written if path.exists())


def create_run_folder(path: Path, recipe: Mapping[str, Any]) -> RunFolder:
    """Make a new run's folder, which does not exist yet or is empty, with its recipe.json.

    Raises:
        RunError: the folder is in use or cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file; choose another --out")
    folder = RunFolder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with only_user_of(path):  # Of two runs that begin here together, one finds the recipe of the other.
            if any(not entry.name.endswith(".partial") for entry in path.iterdir()):
                raise _already_used(path)
            folder.write_recipe(recipe)
    except BlockingIOError:
        raise _already_used(path) from None
    except OSError as error:
        raise _not_writable(path, error) from error
    return folder


def claim_default_folder(name: str) -> Path:
    """Make the first runs/<name>-<number> that is not there yet in the working directory, and return it.

    Of several processes that look for a folder at once, each gets another one.

    Raises:
        RunError: the folder cannot be made.
    """
    for number in count(1):
        path = Path("runs") / f"{name}-{number}"
        try:
            path.parent.mkdir(exist_ok=True)
            path.mkdir()
        except FileExistsError as error:
            if not path.parent.is_dir():
                raise _not_writable(path, error) from error
        except OSError as error:
            raise _not_writable(path, error) from error
        else:
            return path
    raise AssertionError("numbers have no end")


@contextmanager
def default_folder(name: str) -> Iterator[Path]:
    """Hold a folder from `claim_default_folder`, which is removed at the end if nothing was written into it."""
    path = claim_default_folder(name)
    try:
        yield path
    finally:
        with suppress(OSError):  # The folder of a run is not empty.
            path.rmdir()


def _already_used(path: Path) -> RunError:
    return RunError(
        f"{path}: already used; choose another --out, or continue it with `{resume_command(path)}`"
    )


def _not_writable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: cannot be written ({error.strerror}); choose another --out")


def _append(path: Path, record: Record) -> None:
    """Add a record to a file of JSON lines without rewriting the file. Raises WriteError."""
    line = json.dumps(with_checksum(record), allow_nan=False) + "\n"
    with named_refusals(path), path.open("ab") as file:
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())
