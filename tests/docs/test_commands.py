"""Each command that a page shows exists, and so do its options."""

import re
import shlex
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


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_parse(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no option breaks over two lines of the help
    wrong = []
    for command in commands(page.read_text()):
        words = shlex.split(command)
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        names = list(takewhile(lambda word: not word.startswith("-"), words))[:2]
        code = main([*names, "--help"])
        known = ALWAYS | set(re.findall(r"--[a-z0-9][a-z0-9-]*", capsys.readouterr().out))
        if own_design(words):
            options &= known
        if code or options - known:
            wrong.append((f"resunit {command}", sorted(options - known)))
    assert not wrong
