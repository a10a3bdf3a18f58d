"""The log of a run while it trains: read again whenever it has changed, until the run ends."""

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Literal

from resunit.errors import CutOffRecord
from resunit.io.atomic import is_in_use
from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine

SECONDS_BETWEEN_LOOKS = 1.0
# A run that is killed writes no result. Its lock is asked for only after the log has not changed for so many looks.
QUIET_LOOKS = 5

State = Literal["trains", "ended", "killed"]


def follow_log(run: RunFolder, wait: Callable[[float], object] = time.sleep) -> Iterator[list[LogLine]]:
    """Yield all lines of a run's log, at once and whenever the log has changed; the last time after the run's end.

    The lines need not begin with the lines before: a run that was resumed writes those after its checkpoint again.
    `wait` is called with the seconds until the next look.

    Raises:
        FileFormatError: a line is damaged or of a newer format.
    """
    before: list[LogLine] | None = None
    quiet = 0
    while True:
        state = state_of(run, asks_for_lock=quiet >= QUIET_LOOKS)
        lines = read_growing_log(run)  # After the state, so that no line of a run that has ended is missed.
        quiet = quiet + 1 if lines == before else 0
        if lines != before:
            yield lines
            before = lines
        if state != "trains":
            return
        wait(SECONDS_BETWEEN_LOOKS)


def wait_for_run(run: RunFolder, wait: Callable[[float], object] = time.sleep) -> None:
    """Wait until a run has begun in a folder, which need not exist yet."""
    while not (run.recipe.exists() and (run.environment.exists() or run.result.exists())):
        wait(SECONDS_BETWEEN_LOOKS)


def state_of(run: RunFolder, asks_for_lock: bool = True) -> State:
    """Return whether a run trains, has ended with a result, or was killed.

    A result is of the last start if it is not older than environment.json, which each start writes anew. A run
    without a result counts as one that trains, unless `asks_for_lock`.
    """
    if _has_new_result(run):
        return "ended"
    if not asks_for_lock or not run.environment.exists() or is_in_use(run.path):
        return "trains"
    return "ended" if _has_new_result(run) else "killed"


def read_growing_log(run: RunFolder) -> list[LogLine]:
    """Return the lines of a log that a process may write at this moment; the line that it writes is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CutOffRecord)
        return run.read_log()


def _has_new_result(run: RunFolder) -> bool:
    if not run.result.exists():
        return False
    started = run.environment.stat().st_mtime_ns if run.environment.exists() else 0
    return run.result.stat().st_mtime_ns >= started
