"""The command line itself: what every command shares."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from resunit import __version__
from resunit.names import UsageError

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


def tell_json(document: Any) -> None:
    print(json.dumps(document, indent=2, allow_nan=False))


def fail(error: Exception | str, code: int, debug: bool = False) -> int:
    """One line on stderr; the traceback with --debug."""
    if debug and isinstance(error, Exception):
        import traceback

        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if isinstance(error, Exception) and not isinstance(error, OSError | UsageError | CycloptsError):
        text = f"unexpected {type(error).__name__}: {text} (--debug shows where)"
    print(f"resunit: {text}", file=sys.stderr)
    return code
