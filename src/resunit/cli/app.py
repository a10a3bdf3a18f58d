"""The command line itself: what every command shares."""

import json
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from resunit import __version__
from resunit.cli.unknown_options import explained
from resunit.errors import ResunitError, UsageError

DONE, FAILED, USAGE, DIVERGED, STOPPED = range(5)

app = App(
    name="resunit",
    help="Deep residual networks of He et al. 2016: built, trained and dissected.",
    help_format="plaintext",
    help_epilogue="Example:\n  resunit train        trains a network on CIFAR-10 and reports its test error",
    version=__version__,
)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="", help="Print one JSON document and nothing else.")] = False
    debug: Annotated[bool, Parameter(negative="", help="Show the traceback of an error.")] = False


COMMON = Common()

# The command that runs, as it was typed; None outside of the command line.
typed_command: ContextVar[str | None] = ContextVar("typed_command", default=None)


def tell_json(document: Any) -> None:
    """Print one JSON document, the only output of a command with --json."""
    print(json.dumps(document, indent=2, allow_nan=False))


def run(app: App, arguments: Sequence[str]) -> int:
    """Run one command of `app` and return its exit code; every error becomes one line on stderr."""
    warnings.showwarning = show_warning
    typed_command.set(shlex.join([str(app.name[0]), *arguments]))
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:  # The reader of the pipe has ended, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Else Python complains when it ends.
        return FAILED
    except KeyboardInterrupt:
        return fail("interrupted before there was anything to resume", FAILED)
    except CycloptsError as error:
        return fail(explained(error), USAGE, "--debug" in arguments)
    except Exception as error:
        return fail(error, USAGE if isinstance(error, UsageError) else FAILED, "--debug" in arguments)
    return DONE if code is None else code


def show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Print a warning of resunit as one line, and any other as Python prints it."""
    if category.__module__.startswith("resunit."):
        print(f"resunit: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), file=sys.stderr, end="")


def fail(error: Exception | str, code: int, debug: bool = False) -> int:
    """Print an error as one line on stderr, after its traceback if `debug`, and return `code`.

    An error that resunit did not raise on purpose, an OSError too, is called unexpected.
    """
    if debug and isinstance(error, Exception):
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, Exception) and not isinstance(error, ResunitError | CycloptsError):
        text = f"unexpected {type(error).__name__}: {text} (--debug shows where)"
    print(f"resunit: {text}", file=sys.stderr)
    return code
