"""Progress on stderr, for a user who waits for work that takes more than a moment.

Each function returns a context for the time of the work, which gives a function; call it with each number of newly
received bytes or newly done things. A title says what is done. Without `shown` there is no output at all.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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

from resunit.io.format import escape_text
from resunit.io.streams import progress_console

SECONDS_BEFORE_PROGRESS = 1.0
Advance = Callable[[int], None]


def downloading(title: str, total: int | None, shown: bool) -> AbstractContextManager[Advance]:
    """Show the bytes received so far, of `total` if it is known."""
    columns = [BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    return _bar(title, total, shown, columns)


def counting(title: str, total: int, shown: bool) -> AbstractContextManager[Advance]:
    """Show how many of `total` things are done."""
    return _bar(title, total, shown, [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()])


def working(title: str, shown: bool) -> AbstractContextManager[Advance]:
    """Show that work of unknown length is being done."""
    return _bar(title, None, shown, [TimeElapsedColumn()])


@contextmanager
def _bar(title: str, total: int | None, shown: bool, columns: list[ProgressColumn]) -> Iterator[Advance]:
    """Show a bar on a terminal and a line elsewhere, once SECONDS_BEFORE_PROGRESS have passed."""
    console = progress_console(shown)
    description = TextColumn("{task.description}", markup=False)  # Paths may hold square brackets.
    bar = Progress(SpinnerColumn(), description, *columns, console=console, transient=True)
    title = escape_text(title)  # It may name a file.
    task = bar.add_task(title, total=total)

    def print_line() -> None:
        console.print(f"{title} ...", soft_wrap=True, markup=False)

    start = threading.Timer(SECONDS_BEFORE_PROGRESS, bar.start if console.is_interactive else print_line)
    start.daemon = True
    start.start()
    try:
        yield lambda amount: bar.advance(task, amount)
    finally:
        start.cancel()
        start.join()
        if console.is_interactive:
            bar.stop()
