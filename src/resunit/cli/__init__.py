"""The command line: each command parses, then calls one function; nothing heavy is imported until needed."""

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cyclopts import CycloptsError

from resunit.cli import benchmarks, data, inference, models, propagation, report, reproduce, training
from resunit.cli.app import DONE, FAILED, USAGE, app, fail
from resunit.names import UsageError

__all__ = ["app", "main"]
COMMANDS = (
    training,
    inference,
    models,
    data,
    reproduce,
    propagation,
    benchmarks,
    report,
)  # by being imported


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the console script exits with it."""
    arguments = sys.argv[1:] if arguments is None else arguments
    warnings.showwarning = show_warning
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains as it ends
        return FAILED
    except KeyboardInterrupt:
        return fail("interrupted before there was anything to resume", FAILED)
    except Exception as error:  # the one place that turns errors into a line
        code = USAGE if isinstance(error, CycloptsError | UsageError) else FAILED
        return fail(error, code, "--debug" in arguments)
    return DONE if code is None else code


def show_warning(message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Ours are one line like an error's; those of other libraries look as they always do."""
    if category.__module__.startswith("resunit."):
        print(f"resunit: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), file=sys.stderr, end="")
