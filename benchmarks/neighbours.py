"""Neighbours: what else a machine computes while something is measured."""

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event

import psutil

from benchmarks.peers import build_peer_spec
from benchmarks.processes import MeasurementError
from benchmarks.records import Condition
from benchmarks.steps import prepare_peer_step

BUSY_CORE: Condition = "beside one busy core"
SECOND_TRAINING: Condition = "beside a second training"
# A new process of its own for each neighbour, as a user's second program is.
CONTEXT = get_context("spawn")
SECONDS_TO_BEGIN = 120.0


class Neighbour:
    """A program that computes without end, in a process of its own; a context manager that ends it.

    It stands still except while `computing` lasts.

    Args:
        program: a function that can be pickled. It sets the event once it computes, and does not return.
    """

    def __init__(self, program: Callable[[Event], None]):
        self.begun = CONTEXT.Event()
        self.process = CONTEXT.Process(target=program, args=(self.begun,), daemon=True)

    def __enter__(self) -> "Neighbour":
        """Start the program.

        Raises:
            MeasurementError: it ended, or does not begin to compute.
        """
        self.process.start()
        if not self.begun.wait(SECONDS_TO_BEGIN):
            self.process.kill()
            raise MeasurementError("the program that was to run beside the measurement did not begin")
        self._psutil.suspend()
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.join()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Let the program compute while the context lasts."""
        self._psutil.resume()
        try:
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._psutil.suspend()

    @property
    def _psutil(self) -> psutil.Process:
        assert self.process.pid is not None
        return psutil.Process(self.process.pid)


def keep_one_core_busy(begun: Event) -> None:
    """Compute on one core for as long as the program that measures lives."""
    parent = os.getppid()
    begun.set()
    while os.getppid() == parent:
        pass


def train_without_end(begun: Event) -> None:
    """Train pre-act 20 of pytorchcv at batch size 128 for as long, as users of that library do."""
    spec = build_peer_spec("preresnet20")
    step, _ = prepare_peer_step("pytorchcv", "default", spec, "preresnet20", 128, spec.image_size)
    step()
    parent = os.getppid()
    begun.set()
    while os.getppid() == parent:
        step()


NEIGHBOURS: dict[Condition, Callable[[Event], None]] = {
    BUSY_CORE: keep_one_core_busy,
    SECOND_TRAINING: train_without_end,
}
