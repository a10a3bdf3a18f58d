"""What happens in a contestant's process: memory seen, errors carried, threads set."""

import time

import pytest
import torch

from benchmarks.processes import MeasurementError, WorkProcess

MEBIBYTE = 1 << 20


def allocate(mebibytes: int):
    def work() -> None:
        torch.ones(mebibytes * MEBIBYTE, dtype=torch.uint8)

    torch.ones(400 * MEBIBYTE, dtype=torch.uint8)  # before model and optimizer exist: not to be counted
    return work, {}


def sleep():
    return lambda: time.sleep(0.02), {"said": torch.get_num_threads()}


def refuse():
    raise MeasurementError("does not want to")


def allocate_beyond_everything():
    return lambda: torch.empty(1 << 60, dtype=torch.uint8), {}


def test_memory_sees_an_allocation_of_200_mebibytes() -> None:
    with WorkProcess(allocate, 200) as process:
        process.seconds(2)
        assert process.peak_memory() / MEBIBYTE == pytest.approx(200, abs=10)


def test_seconds_are_those_of_one_repetition_and_threads_are_set() -> None:
    with WorkProcess(sleep, threads=1) as process:
        assert process.details() == {"said": 1, "threads": 1}
        assert 0.02 <= process.seconds(5) < 0.1


def test_what_cannot_be_measured_says_why() -> None:
    with WorkProcess(refuse) as process, pytest.raises(MeasurementError, match="does not want to"):
        process.details()
    with (
        WorkProcess(allocate_beyond_everything) as process,
        pytest.raises(MeasurementError, match="does not fit"),
    ):
        process.seconds(1)
