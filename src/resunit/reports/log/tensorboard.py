"""A log as TensorBoard reads it: a folder of event files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.errors import UsageError, WriteError
from resunit.runs.schema import LogLine

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardFolder:
    """A folder of event files, to which only what is new in the log is added.

    Events cannot be taken back. Where a resumed run has written lines again, and where the folder has events of an
    earlier call, a new file says that the events from a step on are void.

    Args:
        path: the folder, which is made if there is none.
        started: the time in UTC at which the run began, as ISO 8601 writes it; the events' times count from it.

    Raises:
        UsageError: the package tensorboard is not installed.
        WriteError: the folder cannot be written.
    """

    def __init__(self, path: Path, started: str | None):
        self.path = path
        self._started = datetime.fromisoformat(started).timestamp() if started is not None else None
        self._written: list[LogLine] = []
        self._writer = self._open(0 if any(path.glob("events.out.tfevents.*")) else None)

    def write(self, lines: Sequence[LogLine]) -> None:
        """Add what is new in these lines, and void what is no longer in them."""
        pairs = zip(self._written, lines, strict=False)
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if kept < len(self._written):
            self._writer.close()
            self._writer = self._open(self._written[kept].step)
        try:
            for line in lines[kept:]:
                for name, value in _scalars(line):
                    self._writer.add_scalar(name, value, line.step, walltime=self._time_of(line))
            self._writer.flush()
        except OSError as error:
            raise WriteError(error.errno, error.strerror, str(self.path)) from error
        self._written = list(lines)

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()

    def _open(self, void_from: int | None) -> SummaryWriter:
        """Return a writer of a new file, which says that events from the step `void_from` on are void."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                "--to tensorboard needs the package tensorboard; pip install 'resunit[log]', or give --to csv"
            ) from error
        try:
            return SummaryWriter(str(self.path), purge_step=void_from)
        except OSError as error:
            raise WriteError(error.errno, error.strerror, str(self.path)) from error

    def _time_of(self, line: LogLine) -> float | None:
        """Return when a line was written, in seconds since 1970; None, which is now, if the run did not record it."""
        if self._started is None or line.seconds is None:
            return None
        return self._started + line.seconds


def _scalars(line: LogLine) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a line by their names in TensorBoard, which draws one plot for each name before a slash."""
    named = {
        "loss/train": line.train_loss,
        f"loss/{line.split}": line.loss,
        "error/train": line.train_error,
        f"error/{line.split}": line.error,
        "learning_rate": line.learning_rate,
        "images_per_second": line.images_per_second,
        "epoch": line.epoch,
    }
    yield from ((name, value) for name, value in named.items() if value is not None)
