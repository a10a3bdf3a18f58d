"""Progress on stderr, for a user who waits for work that takes more than a moment.

Each function returns a context for the time of the work, which gives a function; call it with each number of newly
received bytes or newly done things. A title says what is done. Without `shown` there is no output at all.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

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

from resunit.io.format import escape_text
from resunit.io.signs_of_life import signs_of_life
from resunit.io.streams import progress_console

SECONDS_BEFORE_PROGRESS = 1.0
# A command that ends with an error says so in one line, and until then it may have imported torch for seconds.
SECONDS_BEFORE_COMMAND_SPEAKS = 10.0
Advance = Callable[[int], None]


def downloading(title: str, total: int | None, shown: bool) -> AbstractContextManager[Advance]:
    """Show the bytes received so far, of `total` if it is known."""
    columns = [BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    return _bar(title, total, shown, columns, lambda done: f"{done / 1e6:.1f} MB")


def counting(title: str, total: int, shown: bool) -> AbstractContextManager[Advance]:
    """Show how many of `total` things are done."""
    columns = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return _bar(title, total, shown, columns, lambda done: f"{done:,.0f} of {total:,}")


def working(title: str, shown: bool) -> AbstractContextManager[Advance]:
    """Show that work of unknown length is being done."""
    return _bar(title, None, shown, [TimeElapsedColumn()], lambda _done: "still working")


def command_at_work(command: str, shown: bool) -> AbstractContextManager[None]:
    """Show without a terminal that a command works, as long as it and its bars are silent."""
    console = progress_console(shown)
    if console.is_interactive or not shown:
        return nullcontext()
    return signs_of_life(
        escape_text(command), _print_on(console), SECONDS_BEFORE_COMMAND_SPEAKS, says_end=False
    )


def _print_on(console: Console) -> Callable[[str], None]:
    """Return a function that prints a line of plain text."""
    return lambda line: console.print(line, soft_wrap=True, markup=False)


@contextmanager
def _bar(
    title: str,
    total: int | None,
    shown: bool,
    columns: list[ProgressColumn],
    describe: Callable[[float], str],
) -> Iterator[Advance]:
    """Show a bar on a terminal, once SECONDS_BEFORE_PROGRESS have passed, and lines elsewhere.

    A line says how far the work is by `describe`, which takes the amount that is done.
    """
    console = progress_console(shown)
    text = TextColumn("{task.description}", markup=False)  # Paths may hold square brackets.
    bar = Progress(SpinnerColumn(), text, *columns, console=console, transient=True)
    title = escape_text(title)  # It may name a file.
    task = bar.add_task(title, total=total)

    def advance(amount: int) -> None:
        bar.advance(task, amount)

    if console.is_interactive:
        start = threading.Timer(SECONDS_BEFORE_PROGRESS, bar.start)
        start.daemon = True
        start.start()
        try:
            yield advance
        finally:
            start.cancel()
            start.join()
            bar.stop()
    elif shown:
        say = _print_on(console)
        with signs_of_life(title, say, SECONDS_BEFORE_PROGRESS, lambda: describe(bar.tasks[0].completed)):
            yield advance
    else:
        yield advance
