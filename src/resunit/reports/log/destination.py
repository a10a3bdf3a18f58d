"""The destinations of a log, each kind by its name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine

LogForm = Literal["csv", "tensorboard", "wandb", "mlflow"]


class Destination(Protocol):
    """A file or folder in the form of another tool."""

    def write(self, lines: Sequence[LogLine]) -> None:
        """Make the destination hold these lines, which are the whole log as it is now. Raises WriteError."""
        ...

    def close(self) -> None:
        """Write what is left and give the files back."""
        ...


def open_destination(kind: LogForm, path: Path, run: RunFolder) -> Destination:
    """Return the destination of a kind for the log of a run: a file for "csv", and a folder for the other kinds.

    Raises:
        UsageError: a package that the form needs is not installed.
        WriteError: the destination cannot be written.
    """
    if kind == "csv":
        from resunit.reports.log.csv_file import CsvFile

        return CsvFile(path)
    environment, name = run.read_environment(), run.path.resolve().name
    started = environment.started if environment else None
    if kind == "tensorboard":
        from resunit.reports.log.tensorboard import TensorBoardFolder

        return TensorBoardFolder(path, started)
    if kind == "wandb":
        from resunit.reports.log.wandb import WandbFolder

        return WandbFolder(path, name, run.read_recipe())
    from resunit.reports.log.mlflow import MlflowDatabase

    return MlflowDatabase(path, name, run.read_recipe(), started)
