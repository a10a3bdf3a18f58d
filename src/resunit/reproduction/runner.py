"""Runs of a table, several at a time: finished ones skipped, interrupted ones resumed, failures recorded."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Event, Lock
from typing import Any, Protocol

from resunit.errors import RunError
from resunit.io.atomic import only_user_of
from resunit.reproduction.experiment import Experiment
from resunit.reproduction.one_run import OUTPUT, STOPPED, described, one_run
from resunit.reproduction.records import add_record, has_ended, path_of, read_records

# Each run's process is forked from one that has imported torch, and its compiler, which optimizers load.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["resunit.reproduction.one_run", "torch._dynamo"])
LOOK = 1.0  # seconds between looks at how far the runs are


class Interrupted(Exception):
    """The runner was asked to stop; runs in flight have left checkpoints."""


class Board(Protocol):
    """What shows the runs as they go on."""

    def look(self, running: list[Experiment]) -> None: ...
    def ended(self, record: Mapping[str, Any]) -> None: ...


class Executor(Protocol):
    """Where runs happen. A run's future gives its record, or None if it was stopped and can go on."""

    def submit(self, experiment: Experiment, folder: Path) -> Future[dict[str, Any] | None]: ...
    def close(self) -> None: ...


class LocalProcesses:
    """`jobs` runs at a time on this machine, each a process with an equal share of cores and of `memory`.

    `memory` is what is free, in bytes; None where nobody can tell. A run alone may take what it finds.
    """

    def __init__(self, jobs: int, memory: int | None):
        start_forkserver()
        self.pool = ThreadPoolExecutor(jobs)
        self.threads = max(1, (os.cpu_count() or 1) // jobs)
        self.memory = memory // jobs if memory is not None and jobs > 1 else None
        self.children: set[ForkServerProcess] = set()
        self.lock, self.closing = Lock(), Event()

    def submit(self, experiment: Experiment, folder: Path) -> Future[dict[str, Any] | None]:
        return self.pool.submit(self._run, experiment, folder)

    def _run(self, experiment: Experiment, folder: Path) -> dict[str, Any] | None:
        child = CONTEXT.Process(target=one_run, args=(folder, self.threads, self.memory))
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
            return json.loads((folder / "record.json").read_text())
        lines = (folder / OUTPUT).read_text(errors="replace").splitlines()
        error = f"killed by signal {-code}" if code < 0 else (lines or [f"exit code {code}"])[-1]
        return described(experiment, "failed", error)

    def close(self) -> None:
        """Stop what runs, each with a checkpoint."""
        with self.lock:
            self.closing.set()
            for child in self.children:
                child.terminate()
        self.pool.shutdown(cancel_futures=True)


def start_forkserver() -> None:
    """Without Ctrl-C, which reaches all processes of a terminal: the runner hears it and stops its runs."""
    resource_tracker.ensure_running()  # it unblocks the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def perform_all(wanted: list[Experiment], out: Path, scale: str, executor: Executor, board: Board) -> None:
    """Bring every run to its end; its record is added to the results, and then shown, as it ends."""
    path = path_of(out, scale)
    running: dict[Future[dict[str, Any] | None], Experiment] = {}
    stopped: set[str] = set()
    out.mkdir(parents=True, exist_ok=True)
    with closing(executor), only_runner(out), terminated_as_interrupted():
        done = {record["identity"] for record in read_records(path) if has_ended(record)}
        for experiment in wanted:
            if experiment.identity in done:
                continue
            done.add(experiment.identity)
            folder = experiment.folder(out)
            experiment.store(folder)
            running[executor.submit(experiment, folder)] = experiment
        while running:
            ended, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
            board.look(list(running.values()))
            for future in ended:
                experiment = running.pop(future)
                try:
                    record = future.result()
                except Exception as error:  # of one run: the others go on
                    words = " ".join(f"{type(error).__name__}: {error}".split())
                    record = described(experiment, "failed", words)
                if record is None and experiment.identity not in stopped:
                    # By somebody else than this runner: it goes on from its checkpoint, once.
                    stopped.add(experiment.identity)
                    running[executor.submit(experiment, experiment.folder(out))] = experiment
                    continue
                record = record or described(experiment, "failed", "stopped twice by another process")
                add_record(path, record)
                board.ended(record)


@contextmanager
def closing(executor: Executor) -> Iterator[None]:
    """Runs stop after their step, with a checkpoint; asking again changes nothing."""
    try:
        yield
    finally:
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        executor.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def only_runner(out: Path) -> Iterator[None]:
    """Two runners would train the same runs and overwrite each other's records."""
    try:
        with only_user_of(out):
            yield
    except BlockingIOError:
        raise RunError(f"{out}: another `resunit reproduce` is at work there; wait or take --out") from None


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does: with checkpoints of what runs."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def steps_done(experiment: Experiment, out: Path) -> int | None:
    """How far a run is, by the last line of its log; None if it has not begun."""
    run = experiment.folder(out) / "run"
    try:
        return json.loads((run / "log.jsonl").read_bytes().splitlines()[-1])["step"]
    except (OSError, ValueError, IndexError, KeyError):
        return 0 if run.exists() else None
