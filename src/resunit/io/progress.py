"""What a user at a terminal sees, on stderr, of work that takes more than a moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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
    """A bar on a terminal, a line elsewhere; either only for what takes longer than a moment."""
    console = Console(stderr=True, quiet=not shown, highlight=False)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), *columns, console=console, transient=True
    )
    task = bar.add_task(title, total=total)

    def tell() -> None:
        console.print(f"{title} ...", soft_wrap=True, markup=False)

    start = threading.Timer(MOMENT, bar.start if console.is_interactive else tell)
    start.daemon = True
    start.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        start.cancel()
        start.join()
        if console.is_interactive:
            bar.stop()


def downloading(title: str, total: int | None, shown: bool) -> AbstractContextManager[Advance]:
    """Bytes received, of `total` if known. Call what it yields with each number of new bytes."""
    columns = [BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    return _bar(title, total, shown, columns)


def counting(title: str, total: int, shown: bool) -> AbstractContextManager[Advance]:
    """Things done, of `total`. Call what it yields with each number of things newly done."""
    return _bar(title, total, shown, [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()])


def working(title: str, shown: bool) -> AbstractContextManager[Advance]:
    """Work of unknown length."""
    return _bar(title, None, shown, [TimeElapsedColumn()])
