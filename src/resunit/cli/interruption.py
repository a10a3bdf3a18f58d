"""Signals that end a command: each raises KeyboardInterrupt, so a command ends with a message and its exit code."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from resunit.io.ending_signals import ENDING_SIGNALS

UNTOUCHED = (signal.SIG_DFL, signal.default_int_handler)


class Interruption:
    """Remembers whether a signal has asked the command to end."""

    def __init__(self) -> None:
        self.is_asked_for = False

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt, as a handler of signals."""
        self.is_asked_for = True
        raise KeyboardInterrupt

    def end_if_asked(self) -> None:
        """Raise KeyboardInterrupt if a signal has come, because a library may have caught the first exception."""
        if self.is_asked_for:
            raise KeyboardInterrupt


INTERRUPTION = Interruption()  # Signals are sent to the process, of which there is one.


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for the signals `ENDING_SIGNALS` while the context lasts.

    Training and reproducing handle these signals themselves while they can be resumed later. A signal that is
    already ignored stays ignored, as under `nohup`. Outside of the main thread nothing is changed.
    """
    INTERRUPTION.is_asked_for = False
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    replaced = [number for number, handler in before.items() if handler in UNTOUCHED]
    for number in replaced:
        signal.signal(number, INTERRUPTION.receive)
    try:
        yield
    except Exception as error:
        if (
            INTERRUPTION.is_asked_for
        ):  # A library, or a class that was being made, hid the exception in its own.
            raise KeyboardInterrupt from error
        raise
    finally:
        INTERRUPTION.is_asked_for = False
        for number in replaced:
            signal.signal(number, before[number])
