"""A process of its own that runs one command of resunit, and what may happen to it there.

The process is forked from a server that has imported everything already, which takes a tenth of the time of a fresh
one. It is not forked from the process of the tests: after an export autograd may have threads there, which do not
survive a fork. It is the leader of its own process group, has its own files and is killed by real signals.
"""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from resunit.cli import main
from resunit.io.ending_signals import ENDING_SIGNALS

SECONDS_FOR_ANYTHING = 3600
SERVER = get_context("forkserver")
SERVER.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus the number of the signal, and what it printed."""

    code: int
    output: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass
class Started:
    """A process that was started."""

    process: ForkServerProcess
    output: Path

    @property
    def number(self) -> int:
        """The number of the process, which is that of its group too."""
        assert self.process.pid is not None
        return self.process.pid

    def ended(self, kill_after: float | None = None) -> Ended:
        """Wait until the process has ended; after `kill_after` seconds kill it and its whole group."""
        if kill_after is not None:
            self.process.join(kill_after)
            if self.process.exitcode is None:
                self.kill()
        self.process.join(SECONDS_FOR_ANYTHING)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError(f"the command did not end: {self.output.read_text()}")
        return Ended(self.process.exitcode, self.output.read_text(errors="replace"))

    def kill(self) -> None:
        """Kill the process and its whole group; before it leads one, kill it alone."""
        try:
            os.killpg(self.number, signal.SIGKILL)
        except ProcessLookupError:
            self.process.kill()


def start(arguments: Sequence[str], where: Path, prepare: Callable[[], None] | None = None) -> Started:
    """Start `resunit` in a process of its own.

    Args:
        arguments: the command's arguments.
        where: the working directory; the output of the command is stored beside it.
        prepare: is called in the process before the command; it is sent there by pickle.
    """
    output = where.with_name(f"{where.name}.output")
    output.touch()
    process = SERVER.Process(target=_run_command, args=(arguments, where, output, prepare))
    process.start()
    return Started(process, output)


def _run_command(
    arguments: Sequence[str], where: Path, output: Path, prepare: Callable[[], None] | None
) -> None:
    code = 70
    try:
        os.setsid()
        os.chdir(where)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))  # noqa: SIM115
        for signal_number in ENDING_SIGNALS:
            signal.signal(signal_number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.resetwarnings()  # Tests turn them into errors; a command shows them.
        torch.set_num_threads(1)
        if prepare is not None:
            prepare()
        code = main([*arguments])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(arguments: Sequence[str], where: Path, prepare: Callable[[], None] | None = None) -> Ended:
    """Run `resunit` in a process of its own to its end."""
    return start(arguments, where, prepare).ended()
