"""What a waiting user sees, on stderr, of work that takes more than a moment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

MOMENT = 1.0
Advance = Callable[[int], None]


@contextmanager
def _bar(title: str, total: int | None, shown: bool, columns: list[ProgressColumn]) -> Iterator[Advance]:
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not shown,
    )
    task = bar.add_task(title, total=total)
    began, started = time.monotonic(), False

    def advance(amount: int) -> None:
        nonlocal started
        bar.advance(task, amount)
        if not started and time.monotonic() - began > MOMENT:
            bar.start()
            started = True

    try:
        yield advance
    finally:
        bar.stop()


def downloading(title: str, total: int | None, shown: bool):
    """Bytes received, of `total` if known. Call what it yields with each number of new bytes."""
    columns = [BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    return _bar(title, total, shown, columns)


def counting(title: str, total: int, shown: bool):
    """Things done, of `total`. Call what it yields with each number of things newly done."""
    return _bar(title, total, shown, [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()])


def working(title: str, shown: bool):
    """Work of unknown length. Call what it yields with 0 every now and then."""
    return _bar(title, None, shown, [TimeElapsedColumn()])
