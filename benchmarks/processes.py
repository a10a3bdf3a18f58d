"""One process for each entry, so that entries do not share allocator settings, threads or memory."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.records import Details
from resunit.errors import ResunitError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5), clear_refs: this value sets VmHWM to the memory that is resident now.

# Each process is forked from one that has imported torch and has done nothing else.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "benchmarks.steps"])

Work = Callable[[], object]
Prepared = tuple[Work, Details]


class MeasurementError(ResunitError):
    """An entry could not be measured; the message says why."""


@dataclass(frozen=True)
class Ready:
    """What a process says once its work is prepared."""

    details: Details
    threads: int


class WorkProcess:
    """A process that prepares some work once and repeats it on demand; a context manager that ends it.

    Preparing starts at once and may overlap the preparing of others.

    Args:
        prepare: a function that can be pickled. The process calls it with `arguments`, and it returns the
            work and its details.
        arguments: values that can be pickled.
        threads: the number of threads for torch; None leaves it to torch.
        environment: variables that the process has from the start. What torch reads when it is loaded can only
            be given so; the process then imports torch itself.
    """

    def __init__(
        self,
        prepare: Callable[..., Prepared],
        *arguments: Any,
        threads: int | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        context = get_context("spawn") if environment else CONTEXT
        self.executor = ProcessPoolExecutor(1, mp_context=context)
        with _environment(environment or {}):
            self.ready: Future[Ready] = self.executor.submit(_start, prepare, arguments, threads)

    def __enter__(self) -> "WorkProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown(cancel_futures=True)

    def wait(self) -> Ready:
        """Wait until the work is prepared, and return its details.

        Raises:
            MeasurementError: the system ended the process, or its memory was not enough.
            Exception: what `prepare` raised.
        """
        return self._result(self.ready)

    def seconds(self, repetitions: int) -> float:
        """Return the mean time of `repetitions` repetitions of the work, in seconds.

        Raises:
            MeasurementError: the system ended the process, or its memory was not enough.
        """
        return self._result(self.executor.submit(_repeat, repetitions))

    def peak_memory(self) -> int:
        """Return the most bytes resident since the work was prepared, less the bytes resident just then."""
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


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Add variables to the environment that processes inherit while the context lasts."""
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


# These two belong to the process that does the work: its work, and the bytes resident once it was prepared.
_work: Work
_resident: int


def _start(prepare: Callable[..., Prepared], arguments: tuple[Any, ...], threads: int | None) -> Ready:
    global _work, _resident
    if threads is not None:
        torch.set_num_threads(threads)
    _work, details = prepare(*arguments)
    _resident = _status("VmRSS")
    if CLEAR.exists():
        CLEAR.write_text(RESET_PEAK)
    return Ready(details, torch.get_num_threads())


def _repeat(repetitions: int) -> float:
    started = time.perf_counter()
    for _ in range(repetitions):
        _work()
    return (time.perf_counter() - started) / repetitions


def _peak_memory() -> int:
    return _status("VmHWM") - _resident


def _status(field: str) -> int:
    """Return a field of /proc/self/status in bytes; 0 on systems without that file."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])
