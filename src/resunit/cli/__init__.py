"""The command line: each command parses, then calls one function; nothing heavy is imported until needed."""

import sys
from collections.abc import Sequence

from resunit.cli import (
    completion,
    convert,
    data,
    explore,
    export,
    inference,
    log,
    models,
    propagation,
    report,
    reproduce,
    reproduce_argument,
    training,
)
from resunit.cli.app import app, run
from resunit.cli.process import shorten_spin
from resunit.io.streams import prepare_streams

__all__ = ["app", "main"]
# Importing these modules registers their commands.
COMMANDS = (
    training,
    inference,
    convert,
    export,
    models,
    data,
    reproduce,
    reproduce_argument,
    propagation,
    explore,
    report,
    log,
    completion,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; the program exits with it."""
    shorten_spin()
    prepare_streams()
    return run(app, sys.argv[1:] if arguments is None else arguments)
