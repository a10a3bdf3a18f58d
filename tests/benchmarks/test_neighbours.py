"""A neighbour computes while it is asked to, and stands still otherwise."""

import psutil

from benchmarks.neighbours import Neighbour, keep_one_core_busy
from tests.patience import wait_until


def seconds_computed(neighbour: Neighbour) -> float:
    assert neighbour.process.pid is not None
    return psutil.Process(neighbour.process.pid).cpu_times().user


def test_a_neighbour_computes_only_while_it_is_asked_to() -> None:
    with Neighbour(keep_one_core_busy) as neighbour:
        before = seconds_computed(neighbour)
        with neighbour.computing():
            wait_until(lambda: seconds_computed(neighbour) >= before + 0.1, "it does not compute")
        process = psutil.Process(neighbour.process.pid)
        # The system stops it when it next can.
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "it did not stop")
    assert neighbour.process.exitcode == -9
