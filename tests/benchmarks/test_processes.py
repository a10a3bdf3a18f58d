"""What happens in the process of an entry: memory is seen, errors are carried over, threads are set."""

from pathlib import Path

import pytest
import torch

from benchmarks.processes import MeasurementError, Prepared, Ready, WorkProcess
from benchmarks.records import Details

MEBIBYTE = 1 << 20


def allocate(mebibytes: int) -> Prepared:
    def work() -> None:
        torch.ones(mebibytes * MEBIBYTE, dtype=torch.uint8)

    torch.ones(400 * MEBIBYTE, dtype=torch.uint8)  # Memory of the preparing must not count.
    return work, Details()


def count_in(file: Path) -> Prepared:
    def work() -> None:
        with file.open("a") as opened:
            opened.write("x")

    return work, Details(precision=f"{torch.get_num_threads()} threads")


def refuse() -> Prepared:
    raise MeasurementError("does not want to")


def allocate_beyond_everything() -> Prepared:
    return lambda: torch.empty(1 << 60, dtype=torch.uint8), Details()


@pytest.mark.full
def test_memory_sees_an_allocation_of_200_mebibytes() -> None:
    with WorkProcess(allocate, 200) as process:
        process.seconds(2)
        assert process.peak_memory() / MEBIBYTE == pytest.approx(200, abs=10)


def test_the_work_is_done_as_often_as_asked_and_threads_are_set(tmp_path: Path) -> None:
    with WorkProcess(count_in, tmp_path / "calls", threads=1) as process:
        assert process.wait() == Ready(Details(precision="1 threads"), threads=1)
        assert process.seconds(5) > 0
        assert (tmp_path / "calls").read_text() == "xxxxx"


def test_what_cannot_be_measured_raises_in_the_process_that_asks() -> None:
    with WorkProcess(refuse) as process, pytest.raises(MeasurementError, match="does not want to"):
        process.wait()
    with WorkProcess(allocate_beyond_everything) as process, pytest.raises(MeasurementError, match="memory"):
        process.seconds(1)
