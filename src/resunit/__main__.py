"""The program `resunit`, also `python -m resunit`, which torchrun starts."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C while it is still loading is one line too."""
    try:
        with _ctrl_c_waits():
            from resunit.cli import main as run_command_line

        code = run_command_line()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("resunit: interrupted before anything began; give the command again", file=sys.stderr)
        goes_on = any(argument.partition("=")[0] == "--resume" for argument in sys.argv)
        code = 4 if goes_on else 1
    _keep_exit_code()
    return code


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Hold back Ctrl-C until the end of the context: the classes that an import makes may hide its exception."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _keep_exit_code() -> None:
    """Ignore the signals that end a command: it has ended, and takes a while to leave the memory.

    A second Ctrl-C would otherwise print a traceback, and replace the exit code.
    """
    from resunit.io.ending_signals import ENDING_SIGNALS

    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
