"""Ctrl-C and SIGTERM as a request that the loop looks at between steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType


@dataclass
class StopRequest:
    """`received` turns True at the first signal; a second Ctrl-C interrupts at once."""

    received: bool = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM while the context lasts (only possible in the main thread)."""
    request = StopRequest()
    if current_thread() is not main_thread():
        yield request
        return

    def receive(number: int, _frame: FrameType | None) -> None:
        if request.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.received = True

    previous = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
