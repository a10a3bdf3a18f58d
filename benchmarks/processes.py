"""A process for each contestant: neither sees the other's allocator settings, threads or memory."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from resunit.errors import ResunitError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5), clear_refs

# Each process is forked from one that has imported torch and done nothing else.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "benchmarks.steps"])

Work = Callable[[], object]


class MeasurementError(ResunitError):
    """A contestant that could not be measured."""


class WorkProcess:
    """A process that prepares some work once and repeats it on demand; a context that ends it.

    `prepare`, called there with `arguments`, returns the work and what is to be said of it; both `prepare`
    and what it says must be picklable. Preparing starts at once and may overlap that of others.
    """

    def __init__(
        self, prepare: Callable[..., tuple[Work, dict[str, Any]]], *arguments: Any, threads: int | None = None
    ):
        self.executor = ProcessPoolExecutor(1, mp_context=CONTEXT)
        self.started: Future[dict[str, Any]] = self.executor.submit(_start, prepare, arguments, threads)

    def __enter__(self) -> "WorkProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(cancel_futures=True)

    def details(self) -> dict[str, Any]:
        """What `prepare` said of its work, and `threads`. Raises what `prepare` raised."""
        return self._result(self.started)

    def seconds(self, repetitions: int) -> float:
        """Seconds for one of that many repetitions of the work."""
        return self._result(self.executor.submit(_repeat, repetitions))

    def peak_memory(self) -> int:
        """Bytes resident at most since the work was prepared, less those resident just then."""
        return self._result(self.executor.submit(_peak_memory))

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            raise MeasurementError("the system ended its process; most likely the memory was full") from None
        except RuntimeError as error:
            if "allocate memory" in str(error):
                raise MeasurementError("it does not fit into the memory") from error
            raise


# Of the process that does the work: its work, and the bytes resident once it was prepared.
_work: Work
_resident: int


def _start(
    prepare: Callable[..., tuple[Work, dict[str, Any]]], arguments: tuple[Any, ...], threads: int | None
) -> dict[str, Any]:
    global _work, _resident
    if threads is not None:
        torch.set_num_threads(threads)
    _work, details = prepare(*arguments)
    _resident = _status("VmRSS")
    if CLEAR.exists():
        CLEAR.write_text(RESET_PEAK)
    return {**details, "threads": torch.get_num_threads()}


def _repeat(repetitions: int) -> float:
    started = time.perf_counter()
    for _ in range(repetitions):
        _work()
    return (time.perf_counter() - started) / repetitions


def _peak_memory() -> int:
    return _status("VmHWM") - _resident


def _status(field: str) -> int:
    """Bytes, by /proc; 0 on systems without it."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])
