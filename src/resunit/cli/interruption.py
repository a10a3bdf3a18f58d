"""Signals that end a command: each becomes what Ctrl-C is, so that a command ends with its line and exit code."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

# The end of a process; the end of its terminal; and the notice that batch systems give before they kill.
ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for the signals `ENDING` while the context lasts.

    Training and reproducing handle them in their own way while they can go on later. A signal that is ignored
    already stays so, as `nohup` asks. In another thread than the main one nothing is changed.
    """
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    replaced = [number for number, handler in before.items() if handler == signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, before[number])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
