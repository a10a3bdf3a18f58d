"""Each command that a page shows exists, and so do its options."""

import io
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

from resunit.cli import main
from tests.docs.markdown import PAGES, commands

# The lab notes keep the commands that were typed at the time.
WITH_COMMANDS = [page for page in PAGES if commands(page.read_text()) and page.name != "lab-notes.md"]
ALWAYS = {"--help", "--version"}


def own_design(words: list[str]) -> bool:
    """Return whether a command names a design of the user's own, whose options no help text knows."""
    return any(word == "--design" and ":" in value for word, value in pairwise(words))


@cache
def options_of(names: tuple[str, ...]) -> frozenset[str] | None:
    """Return the options that the help of a command names, and None if there is no such command."""
    told = io.StringIO()
    with redirect_stdout(told), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")  # no option breaks over two lines of the help
        code = main([*names, "--help"])
    return None if code else frozenset(re.findall(r"--[a-z0-9][a-z0-9-]*", told.getvalue()))


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_parse(page: Path) -> None:
    wrong = []
    for command in commands(page.read_text()):
        words = shlex.split(command)
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        known = options_of(tuple(takewhile(lambda word: not word.startswith("-"), words))[:2])
        if own_design(words):
            options &= known or options
        if known is None or options - known - ALWAYS:
            wrong.append((f"resunit {command}", sorted(options - (known or options))))
    assert not wrong
