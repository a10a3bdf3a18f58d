"""A log as TensorBoard reads it: a folder of event files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.io.atomic import named_refusals
from resunit.io.extras import import_extra
from resunit.reports.log.scalars import count_kept, name_scalars, time_of
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
        self._started = started
        self._written: list[LogLine] = []
        self._writer = self._open(0 if any(path.glob("events.out.tfevents.*")) else None)

    def write(self, lines: Sequence[LogLine]) -> None:
        """Add what is new in these lines, and void what is no longer in them."""
        kept = count_kept(self._written, lines)
        if kept < len(self._written):
            self.close()
            self._writer = self._open(self._written[kept].step)
        with named_refusals(self.path):
            for line in lines[kept:]:
                for name, value in name_scalars(line).items():
                    self._writer.add_scalar(name, value, line.step, walltime=time_of(line, self._started))
            self._writer.flush()
        self._written = list(lines)

    def close(self) -> None:
        """Close the event file."""
        with named_refusals(self.path):
            self._writer.close()

    def _open(self, void_from: int | None) -> SummaryWriter:
        """Return a writer of a new file, which says that events from the step `void_from` on are void."""
        import_extra("tensorboard", "log", "--to tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        with named_refusals(self.path):
            return SummaryWriter(str(self.path), purge_step=void_from)
