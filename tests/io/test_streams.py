"""Streams whose other end is gone, full or of another encoding."""

import errno
import io
import os
import pty
import sys
from pathlib import Path

import pytest

from resunit.io.streams import LastingStream, UnwritableOutput, prepare_streams, progress_console


def terminal_that_has_gone() -> io.TextIOWrapper:
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w")
    os.close(ours)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        os.write(theirs, b"x")
    return stream


def test_a_terminal_that_has_gone_ends_no_work() -> None:
    stream = LastingStream(terminal_that_has_gone(), drops_everything=False)
    assert stream.write("a line\n") == 7
    stream.flush()


def test_a_full_disk_and_a_closed_pipe_are_told_but_on_stderr() -> None:
    with open("/dev/full", "w") as full:
        stream = LastingStream(full, drops_everything=False)
        stream.write("a line\n")
        with pytest.raises(UnwritableOutput):
            stream.flush()
        LastingStream(full, drops_everything=True).flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        stream = LastingStream(pipe, drops_everything=False)
        stream.write("a line\n")
        with pytest.raises(BrokenPipeError):
            stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), pipe.fileno())


def test_what_an_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, shown in (("ascii", b"caf\\xe9 \\xe9"), ("utf-8", "café \\xe9".encode())):
        content = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding=encoding))
        prepare_streams()
        print("café \udce9", end="", flush=True)
        assert content.getvalue() == shown


def test_closed_streams_swallow_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    prepare_streams()
    print("nothing", flush=True)
    print("nothing", file=sys.stderr, flush=True)
    progress_console(shown=True).print("nothing")


def test_progress_goes_on_without_its_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stderr", terminal_that_has_gone())
    progress_console(shown=True).print("nothing")
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)
        progress_console(shown=True).print("a line")
    assert (tmp_path / "log").read_text() == "a line\n"


@pytest.mark.parametrize(("name", "is_interactive"), [("xterm", True), ("dumb", False), ("", False)])
def test_a_dumb_terminal_is_not_interactive(
    monkeypatch: pytest.MonkeyPatch, name: str, is_interactive: bool
) -> None:
    _, theirs = pty.openpty()
    monkeypatch.setenv("TERM", name)
    monkeypatch.setattr(sys, "stderr", os.fdopen(theirs, "w"))
    console = progress_console(shown=True)
    assert console.is_terminal
    assert console.is_interactive == is_interactive
