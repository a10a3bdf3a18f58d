"""Ctrl-C and SIGTERM as a request to stop, which the training loop looks at between steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from types import FrameType


@dataclass
class StopRequest:
    """Whether a signal has asked the run to stop."""

    received: bool = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn SIGINT and SIGTERM into a request to stop while the context lasts; a second Ctrl-C interrupts.

    Python lets the main thread alone handle signals; in another thread nothing is changed.
    """
    request = StopRequest()
    if current_thread() is not main_thread():
        yield request
        return

    def receive(number: int, _frame: FrameType | None) -> None:
        if request.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.received = True

    # A handler that was not installed from Python reads as None and could not be restored.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    replaced = {number: handler for number, handler in handlers.items() if handler is not None}
    for number in replaced:
        signal.signal(number, receive)
    try:
        yield request
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
