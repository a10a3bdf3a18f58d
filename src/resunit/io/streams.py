"""The standard streams: they may be closed, lead to a terminal that has gone, or have another encoding than UTF-8."""

import errno
import io
import os
import sys
import time
from typing import Any, TextIO

from rich.console import Console

from resunit.io.format import escape_text

# Progress bars need these characters. Code that prints a name of the user's escapes them first.
KEPT = "\n\r\t\x1b"


class UnwritableOutput(OSError):
    """The system refused to write to stdout, for instance because the disk behind it is full."""


class LastingStream:
    """A text stream that writes out what cannot be shown, and ignores all writing once its terminal has gone.

    Args:
        stream: the stream to write to, which also has every attribute that is not defined here.
        drops_everything: whether no failure at all is raised. Otherwise a pipe that nobody reads any more raises
            BrokenPipeError, and a full disk UnwritableOutput.
    """

    written_at = 0.0
    """When a text was last written to any of these streams, on the clock of time.monotonic."""

    def __init__(self, stream: TextIO, drops_everything: bool):
        self._stream = stream
        self._drops_everything = drops_everything

    def write(self, text: str) -> int:
        """Write `text` and return its length. Raises OSError as the class says."""
        LastingStream.written_at = time.monotonic()
        try:
            self._stream.write(escape_text(text, keep=KEPT))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream. Raises OSError as the class says."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def _drop(self, error: OSError) -> None:
        if self._drops_everything or error.errno == errno.EIO:  # The error of a terminal that was closed.
            return
        if isinstance(error, BrokenPipeError):
            raise error
        raise UnwritableOutput(error.errno, error.strerror) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Make stdout and stderr take any text, also where they are closed.

    A closed stream becomes a stream that ignores all writing. A character that the encoding does not have, or a
    byte of a file name that is no character, is written escaped. Text that cannot be written to stderr is
    dropped.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest free descriptor is the stream's own, which the next file would get otherwise.
            nothing = open(os.devnull, mode)  # noqa: SIM115
            os.set_inheritable(nothing.fileno(), True)
            setattr(sys, name, nothing)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        if not isinstance(stream, LastingStream):
            setattr(sys, name, LastingStream(stream, drops_everything=name == "stderr"))


def progress_console(shown: bool) -> Console:
    """Return a console on stderr, which writes only if `shown`; text that cannot be written there is dropped."""
    stream: Any = (
        LastingStream(sys.stderr, drops_everything=True) if sys.stderr is not None else io.StringIO()
    )
    # rich takes a terminal without a name in $TERM for one that understands escape sequences.
    is_interactive = None if os.environ.get("TERM") else False
    return Console(file=stream, quiet=not shown, highlight=False, force_interactive=is_interactive)
