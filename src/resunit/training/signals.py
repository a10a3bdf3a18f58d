"""Signals as a request to stop, which the training loop checks between steps."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import current_thread, main_thread
from types import FrameType

from resunit.io.ending_signals import ENDING_SIGNALS
from resunit.training.launch import find_torchrun


@dataclass
class StopRequest:
    """Whether a signal has asked the run to stop."""

    signalled: bool = False
    torchrun: int | None = field(default_factory=find_torchrun)
    """The process that started this one, if it is torchrun."""

    @property
    def received(self) -> bool:
        """Whether a signal has come to this process, or one that torchrun does not pass on has ended torchrun."""
        return self.signalled or self.torchrun not in (None, os.getppid())


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the signals `ENDING_SIGNALS` into a request to stop while the context lasts; a second Ctrl-C interrupts.

    SIGHUP stays ignored if it was ignored before, as under `nohup`. Python lets only the main thread handle
    signals, so in another thread nothing is changed.
    """
    request = StopRequest()
    if current_thread() is not main_thread():
        yield request
        return

    def receive(number: int, _frame: FrameType | None) -> None:
        if request.signalled and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signalled = True

    # A handler that was not installed by Python code is returned as None, which cannot be restored.
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    replaced = {number: handler for number, handler in handlers.items() if handler is not None}
    if handlers[signal.SIGHUP] == signal.SIG_IGN:
        del replaced[signal.SIGHUP]
    for number in replaced:
        signal.signal(number, receive)
    try:
        yield request
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
