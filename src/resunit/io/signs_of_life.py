"""Signs of life for a user who waits without a terminal: lines while work lasts, in ever longer intervals."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resunit.io.format import NO_BREAK_SPACE, format_duration
from resunit.io.streams import LastingStream

SECONDS_BEFORE_SECOND_LINE = 10.0
SECONDS_BETWEEN_LOOKS = 0.5

_speakers: list[object] = []  # Work within other work speaks for both.


@contextmanager
def signs_of_life(
    title: str,
    say: Callable[[str], object],
    seconds_before: float,
    describe: Callable[[], str] = lambda: "still working",
    *,
    says_end: bool = True,
) -> Iterator[None]:
    """Print a line when work has taken a moment, then how far it is after 10, 20, 40, ... silent seconds, and its end.

    A line that anything else has written breaks the silence. Short work, and the end of work that fails, print
    nothing.

    Args:
        title: what is done.
        say: prints one line.
        seconds_before: after so many seconds the first line is printed.
        describe: returns how far the work is, such as "12 of 100".
        says_end: whether a line says that the work is done.
    """
    me, ended, started = object(), threading.Event(), time.monotonic()
    lines: list[str] = []

    def speak() -> None:
        silence, spoke = seconds_before, started
        while not ended.wait(min(silence, SECONDS_BETWEEN_LOOKS)):
            silent = time.monotonic() - max(spoke, LastingStream.written_at)
            if silent < silence or _speakers[-1] is not me:
                continue
            how_far = f" {describe()} after {_elapsed(started)}" if lines else ""
            lines.append(f"{title} ...{how_far}")
            say(lines[-1])
            silence = SECONDS_BEFORE_SECOND_LINE * 2 ** (len(lines) - 1)
            spoke = time.monotonic()

    thread = threading.Thread(target=speak, daemon=True)
    _speakers.append(me)
    thread.start()
    try:
        yield
        ended.set()
        thread.join()
        if lines and says_end:
            say(f"{title}: done after {_elapsed(started)}")
    finally:
        ended.set()
        thread.join()
        _speakers.remove(me)


def _elapsed(started: float) -> str:
    return format_duration(time.monotonic() - started).replace(NO_BREAK_SPACE, " ")
