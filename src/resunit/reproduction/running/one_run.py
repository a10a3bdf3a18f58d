"""One run in a process of its own."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import torch

from resunit.errors import RunError
from resunit.io.memory import MEMORY
from resunit.models.custom import add_design
from resunit.models.design_source import is_own_design
from resunit.ops.cpu.allocator import keep_freed_memory
from resunit.reproduction.evidence.run_record import record_of
from resunit.reproduction.experiments.experiment import Experiment
from resunit.runs.folder import RunFolder
from resunit.runs.read import read_run
from resunit.runs.record_files import write_file
from resunit.runs.schema import ExperimentRecord
from resunit.training.loop import train_or_resume

# These files are in the run's folder: the process of the run prints into OUTPUT and writes its record to RECORD.
OUTPUT, RECORD = "output.txt", "record.json"
STOPPED = 4  # This is the exit code of a process that was stopped and can go on.
SECONDS_BETWEEN_TRIES = 0.5
NICENESS = 10  # Runs of a table take a night, and whoever works on the machine meanwhile goes first.


def perform(folder: Path) -> ExperimentRecord | None:
    """Train the experiment in `folder`, from its checkpoint if there is one, and return its record; None if stopped.

    Raises what training raises.
    """
    experiment = Experiment.read(folder)
    recipe = experiment.typed_recipe
    if is_own_design(recipe.design):
        add_design(recipe.design)  # The user named this design on the command line of the table.
    train_or_resume(recipe, folder / "run", quiet=True)
    run = read_run(folder / "run")
    return None if run.result.status == "stopped" else record_of(experiment, run)


def stop_with_the_runner() -> None:
    """Ask this process to stop once the runner is gone, whatever ended the runner."""
    runner = multiprocessing.parent_process()
    assert runner is not None

    def watch() -> None:
        runner.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def wait_until_free(folder: Path) -> None:
    """Wait until no process of an earlier runner trains the run in `folder`.

    A process whose runner was killed exits after its step or its last evaluation, however long that takes. Its
    lock ends with the process, so the wait ends too.
    """
    run = RunFolder(folder / "run")
    while run.path.exists():
        try:
            with run.only_user():
                return
        except RunError:
            time.sleep(SECONDS_BETWEEN_TRIES)


def prepare_process(threads: int, memory: int | None) -> None:
    """Make this process one that computes for a runner, with its threads and for as long as the runner lives.

    Args:
        threads: the threads that torch may use, unless OMP_NUM_THREADS says otherwise.
        memory: the memory that a run may use, in bytes; None for all that is free.
    """
    if memory is not None:
        os.environ[MEMORY] = str(memory)
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # Libraries that are loaded later read it.
        torch.set_num_threads(threads)
    keep_freed_memory(torch.device("cpu"))  # Training on a CPU is faster with it.
    stop_with_the_runner()


def train_one_run(folder: Path, threads: int, memory: int | None) -> None:
    """Train the experiment in `folder`; the process of a run does nothing else.

    It leaves `RECORD`, or the reason of its failure in the last line of `OUTPUT`. It exits with `STOPPED` if
    it was stopped and can go on. `threads` and `memory` are those of `prepare_process`.
    """
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    prepare_process(threads, memory)
    try:
        wait_until_free(folder)
        if Experiment.read(folder).scale != "smoke":  # Somebody waits for a smoke run.
            os.nice(NICENESS)
        record = perform(folder)
    except Exception as error:  # The last line of the output becomes the error in the record.
        traceback.print_exc()
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        sys.exit(1)
    if record is None:
        sys.exit(STOPPED)
    write_file(folder / RECORD, record)
