"""The runner: trains several runs at a time to their end.

Runs that ended are skipped, interrupted runs are resumed, and failures are recorded.
"""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

from resunit.errors import FileFormatError, RunError
from resunit.io.atomic import only_user_of
from resunit.io.cores import available_cores
from resunit.io.ending_signals import ENDING_SIGNALS
from resunit.io.json_text import parse_json
from resunit.reproduction.evidence.records import add_record, has_ended, read_evidence, records_path
from resunit.reproduction.evidence.run_record import record_without_results
from resunit.reproduction.experiments.experiment import Experiment
from resunit.reproduction.running.one_run import OUTPUT, RECORD, STOPPED, train_one_run
from resunit.runs.record_files import read_file, typed_record
from resunit.runs.schema import ExperimentRecord, LogLine

PRELOADED = ("resunit.reproduction.running.one_run", "torch._dynamo")
"""Each run's process is forked from one that has imported torch and its compiler, which optimizers load. That one
must not ask CUDA for anything, because CUDA cannot be used in a fork of a process that has."""
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([*PRELOADED])
SECONDS_BETWEEN_UPDATES = 1.0


class Interrupted(Exception):
    """The runner was asked to stop; runs that had begun have left checkpoints."""


class Observer(Protocol):
    """Shows the progress of runs."""

    def update(self, running: Sequence[Experiment]) -> None:
        """Show how far `running` are, some of which may not have begun."""
        ...

    def add(self, record: ExperimentRecord) -> None:
        """Show how a run ended."""
        ...


class Executor(Protocol):
    """Performs runs. The future of a run gives its record, or None if it was stopped and can go on."""

    def submit(self, experiment: Experiment, folder: Path) -> Future[ExperimentRecord | None]:
        """Perform `experiment` in `folder`, at once or when there is room for it."""
        ...

    def close(self) -> None:
        """Stop all runs, each with a checkpoint."""
        ...


class LocalProcesses:
    """Performs `jobs` runs at a time on this machine, each in a process with an equal share of the cores.

    `memory` is what is free, in bytes, and each run may use its share of it. None means that the free memory
    is not known. A run alone may use whatever it finds.
    """

    def __init__(self, jobs: int, memory: int | None):
        start_forkserver()
        self.pool = ThreadPoolExecutor(jobs)
        self.threads = max(1, available_cores() // jobs)
        self.memory = share_of_memory(memory, jobs)
        self.children: set[ForkServerProcess] = set()
        self.lock, self.closing = Lock(), Event()

    def submit(self, experiment: Experiment, folder: Path) -> Future[ExperimentRecord | None]:
        """Perform `experiment` in `folder` as soon as fewer than `jobs` runs are under way."""
        return self.pool.submit(self._run, experiment, folder)

    def _run(self, experiment: Experiment, folder: Path) -> ExperimentRecord | None:
        child = CONTEXT.Process(target=train_one_run, args=(folder, self.threads, self.memory))
        with self.lock:
            if self.closing.is_set():
                return None
            child.start()
            self.children.add(child)
        child.join()
        self.children.discard(child)
        code = child.exitcode
        assert code is not None
        if code == STOPPED:
            return None
        if code == 0:
            return read_file(ExperimentRecord, folder / RECORD)
        lines = (folder / OUTPUT).read_text(errors="replace").splitlines()
        error = f"killed by signal {-code}" if code < 0 else (lines or [f"exit code {code}"])[-1]
        return record_without_results(experiment, "failed", error)

    def close(self) -> None:
        """Stop all runs, each with a checkpoint."""
        with self.lock:
            self.closing.set()
            for child in self.children:
                child.terminate()
        self.pool.shutdown(cancel_futures=True)


def share_of_memory(memory: int | None, jobs: int) -> int | None:
    """Return the bytes of free memory that each of `jobs` runs may use; None for a run alone, and if unknown."""
    return None if memory is None or jobs == 1 else memory // jobs


def start_forkserver() -> None:
    """Start the process that runs are forked from, with the signals blocked that reach all processes.

    A terminal sends Ctrl-C and its own end to all of them, and a batch system its notice. The runner receives them
    and stops its runs itself.
    """
    resource_tracker.ensure_running()  # It would unblock the signal again if it started later.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set(ENDING_SIGNALS) - {signal.SIGTERM})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def perform_all(
    wanted: Sequence[Experiment], out: Path, scale: str, executor: Executor, observer: Observer
) -> None:
    """Train every run to its end, and add its record to the folder of results as soon as it ends.

    Runs whose record ships with the package, or stands in `out`, are not run again.

    Raises:
        RunError: another runner works in `out`.
        FileFormatError: a file of records is damaged.
        WriteError: a record cannot be written.
        Interrupted: SIGINT or SIGTERM was received.
    """
    path = records_path(out, scale)
    running: dict[Future[ExperimentRecord | None], Experiment] = {}
    stopped: set[str] = set()
    out.mkdir(parents=True, exist_ok=True)
    with closing(executor), only_runner(out), terminated_as_interrupted():
        ended = {record.identity for record in read_evidence(out, scale) if has_ended(record)}
        for experiment in wanted:
            if experiment.identity in ended:
                continue
            folder = experiment.folder(out)
            experiment.store(folder)
            running[executor.submit(experiment, folder)] = experiment
        while running:
            finished, _ = wait(running, timeout=SECONDS_BETWEEN_UPDATES, return_when=FIRST_COMPLETED)
            observer.update(list(running.values()))
            for future in finished:
                experiment = running.pop(future)
                record = _record_from(future, experiment)
                if record is None and experiment.identity not in stopped:
                    # Another process stopped the run. The runner continues it from its checkpoint, once.
                    stopped.add(experiment.identity)
                    running[executor.submit(experiment, experiment.folder(out))] = experiment
                    continue
                record = record or record_without_results(
                    experiment, "failed", "stopped twice by another process"
                )
                add_record(path, record)
                observer.add(record)


def _record_from(future: Future[ExperimentRecord | None], experiment: Experiment) -> ExperimentRecord | None:
    try:
        return future.result()
    except Exception as error:  # One run failed, and the others go on.
        return record_without_results(
            experiment, "failed", " ".join(f"{type(error).__name__}: {error}".split())
        )


@contextmanager
def closing(executor: Executor) -> Iterator[None]:
    """Close the executor at the end, and ignore further requests to stop while its runs end."""
    try:
        yield
    finally:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING_SIGNALS}
        executor.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def only_runner(out: Path) -> Iterator[None]:
    """Hold the lock of `out`. Raises RunError if another runner holds it.

    Two runners would train the same runs and overwrite each other's records.
    """
    try:
        with only_user_of(out):
            yield
    except BlockingIOError:
        raise RunError(
            f"{out}: another `resunit reproduce` is at work there; wait, or name another folder with --out"
        ) from None


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C into Interrupted."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def count_steps_done(experiment: Experiment, out: Path) -> int | None:
    """Return how many steps a run has logged; None if it has not begun."""
    run = experiment.folder(out) / "run"
    if not run.exists():
        return None
    log = run / "log.jsonl"
    try:
        # The last part has no end of line: it is empty, or its line is still being written.
        lines = log.read_bytes().split(b"\n")[:-1]
        return typed_record(LogLine, parse_json(lines[-1]), str(log)).step if lines else 0
    except (OSError, ValueError, FileFormatError):
        return 0
