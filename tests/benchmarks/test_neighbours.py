"""A neighbour computes while it is asked to, and stands still otherwise."""

import time
from collections.abc import Callable

import psutil

from benchmarks.neighbours import Neighbour, keep_one_core_busy
from tests.patience import PATIENCE


def seconds_computed(neighbour: Neighbour) -> float:
    assert neighbour.process.pid is not None
    return psutil.Process(neighbour.process.pid).cpu_times().user


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_neighbour_computes_only_while_it_is_asked_to() -> None:
    with Neighbour(keep_one_core_busy) as neighbour:
        before = seconds_computed(neighbour)
        with neighbour.computing():
            wait_for(lambda: seconds_computed(neighbour) >= before + 0.1)
        process = psutil.Process(neighbour.process.pid)
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED)  # The system stops it when it next can.
    assert neighbour.process.exitcode == -9
