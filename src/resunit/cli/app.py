"""What all commands share: --json and --debug, warnings and errors in one line, and exit codes."""

import errno
import json
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, TextIO

from cyclopts import App, CycloptsError, Parameter

from resunit import __version__
from resunit.cli.flowing_help import FlowingHelp
from resunit.cli.interruption import signals_interrupt
from resunit.cli.unknown_options import explain
from resunit.errors import ResunitError, UsageError, reason_of
from resunit.io.format import escape_text
from resunit.io.places import ADDRESS, user_path
from resunit.io.progress import command_at_work
from resunit.io.streams import UnwritableOutput

# What the system says about a path: that it is too long, a circle of links, on a disk that has gone, and so on.
ABOUT_PATHS = (
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.ESTALE,
    errno.EIO,
)
DONE, FAILED, USAGE, DIVERGED, STOPPED = range(5)

app = App(
    name="resunit",
    help="Deep residual networks of He et al. 2016: built, trained and dissected.",
    help_format="plaintext",
    help_formatter=FlowingHelp(),
    help_epilogue="Example:\n  resunit train        trains a network on CIFAR-10 and reports its test error",
    version=__version__,
    suppress_keyboard_interrupt=False,  # `run` says that the command was interrupted.
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="", help="Print one JSON document and nothing else.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Show the traceback of an error.")] = False


COMMON = Common()

# This is the command that runs, as it was typed, and None outside of the command line.
typed_command: ContextVar[str | None] = ContextVar("typed_command", default=None)


def tell(text: str, file: TextIO | None = None) -> None:
    """Print one line, in which what a terminal cannot show is written out: a name may hold any character."""
    print(escape_text(text), file=file)


def tell_json(document: Any) -> None:
    """Print one JSON document, the only output of a command with --json."""
    print(json.dumps(document, indent=2, allow_nan=False))


def page_path(out: Path, *suffixes: str) -> Path:
    """Return the path of a page that --out names. Raises UsageError if it ends otherwise, or is a folder."""
    path = user_path(out)
    if path.suffix not in suffixes:
        raise UsageError(f"--out {out}: the page ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise UsageError(f"--out {out} is a folder; name a file in it")
    return path


def answer(common: Common, document: Any, *lines: str) -> int:
    """Print what a command found, as one JSON document with --json and else as lines; return the code for success."""
    if common.json:
        tell_json(document)
    else:
        for line in lines:
            tell(line)
    return DONE


@contextmanager
def telling_json_list() -> Iterator[Callable[[Any], None]]:
    """Give a function that prints an entry of one JSON list, the only output of a command with --json.

    Entries are printed when they are given, so that a list of any length takes no memory.
    """
    printed = 0

    def tell_entry(entry: Any) -> None:
        nonlocal printed
        text = indent(json.dumps(entry, indent=2, allow_nan=False), "  ")
        print(f"{',' if printed else '['}\n{text}", end="")
        printed += 1

    yield tell_entry
    print("\n]" if printed else "[]")


def run(app: App, arguments: Sequence[str]) -> int:
    """Run one command of `app` and return its exit code; every error becomes one line on stderr.

    A ~ at the beginning of an argument, or of the value in --option=value, is the user's home.
    """
    warnings.showwarning = show_warning
    typed_command.set(shlex.join([str(app.name[0]), *arguments]))
    arguments = [_with_home(argument) for argument in arguments]
    try:
        _check_working_folder()
        _check_values(arguments)
        with (
            signals_interrupt(),
            command_at_work(typed_command.get() or "", shown=_shows_progress(arguments)),
        ):
            code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:  # The program that reads the pipe, such as `head`, has ended.
        _write_nothing_more()
        return FAILED
    except UnwritableOutput as error:
        _write_nothing_more()
        return fail(
            f"stdout: cannot be written ({error.strerror}); free some space, or write elsewhere", FAILED
        )
    except KeyboardInterrupt:
        return fail("interrupted; nothing was begun that could go on, so give the command again", FAILED)
    except CycloptsError as error:
        return fail(explain(error), USAGE, "--debug" in arguments)
    except Exception as error:
        return fail(error, USAGE if isinstance(error, UsageError) else FAILED, "--debug" in arguments)
    return DONE if code is None else code


def _shows_progress(arguments: Sequence[str]) -> bool:
    """Return whether a command shows progress: --json asks for silence, and of several processes the first shows it."""
    return "--json" not in arguments and os.environ.get("RANK", "0") == "0"


def _split_option(argument: str) -> tuple[str, str, str]:
    """Return the option, the = and the value of --option=value; another argument is a value without an option."""
    is_assignment = argument.startswith("--") and "=" in argument
    return argument.partition("=") if is_assignment else ("", "", argument)


def _with_home(argument: str) -> str:
    """Return an argument with the user's home in the place of ~, which a shell leaves in --out=~/runs."""
    option, equals, value = _split_option(argument)
    return f"{option}{equals}{os.path.expanduser(value)}"


def _check_working_folder() -> None:
    """Raise ResunitError if the working folder is gone, in which torch's libraries end a process by themselves."""
    try:
        Path.cwd()
    except OSError as error:
        raise ResunitError("the folder that this command runs in is gone; change to another one") from error


def _check_values(arguments: Sequence[str]) -> None:
    """Refuse an empty value, which as a path would be this folder, and an address, of which a path loses a slash.

    Raises:
        UsageError: an argument is one of these.
    """
    for previous, argument in zip(("resunit", *arguments), arguments, strict=False):
        option, _, value = _split_option(argument)
        if not value:
            raise UsageError(f"the value after {option or previous} is empty; give one, or leave it out")
        if ADDRESS.match(value):
            raise UsageError(f"{value} is an address; download the file, and give its path")


def _explain_machine(error: Exception) -> str | None:
    """Return what to do about an error of the machine that a path or a library met, and None for any other error."""
    if isinstance(error, OSError) and error.filename is not None and error.errno in ABOUT_PATHS:
        place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else error.filename
        return f"{place}: cannot be used ({error.strerror}); correct the path, or give its rights"
    if isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        return (
            f"a library cannot be loaded ({reason_of(error)}); give more memory if it is limited, else install "
            "resunit again"
        )
    return None


def _write_nothing_more() -> None:
    """Drop what is still to be written to stdout: Python would complain about it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Print a warning of resunit as one line, and any other as Python prints it."""
    if category.__module__.startswith("resunit."):
        tell(f"resunit: {message}", sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), file=sys.stderr, end="")


def fail(error: Exception | str, code: int, debug: bool = False) -> int:
    """Print an error as one line on stderr, after its traceback if `debug`, and return `code`.

    An error that resunit did not raise on purpose, an OSError too, is called unexpected.
    """
    if debug and isinstance(error, Exception):
        traceback.print_exception(error)
    # A line of ours may name a file whose name has spaces and ends of lines.
    text = str(error) if isinstance(error, ResunitError | str) else " ".join(str(error).split())
    if isinstance(error, Exception) and not isinstance(error, ResunitError | CycloptsError):
        unexpected = f"unexpected {type(error).__name__}: {text} (--debug shows where)"
        text = _explain_machine(error) or unexpected
    tell(f"resunit: {text}", sys.stderr)
    return code
