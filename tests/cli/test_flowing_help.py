"""Help breaks its lines where the terminal ends, however the docstrings of commands are broken."""

import inspect
import os
import subprocess
import sys

import pytest

from resunit.cli import inference, training
from tests.patience import PATIENCE


@pytest.mark.parametrize(
    ("command", "docstring", "option"),
    [("evaluate", inference.evaluate, "data"), ("train", training.train, "resume")],
)
def test_the_help_of_an_option_is_one_line_on_a_wide_terminal(
    command: str, docstring: object, option: str
) -> None:
    """A process takes the width of its terminal once, so that a new process prints."""
    printed = subprocess.run(
        [sys.executable, "-m", "resunit", command, "--help"],
        env={**os.environ, "COLUMNS": "1000"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = inspect.cleandoc(str(docstring.__doc__)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"    {option}: "))
    assert lines[first + 1].startswith("     "), "the docstring needs more than one line for it"
    joined = f"{lines[first].partition(': ')[2]} {lines[first + 1].strip()}"
    assert joined in printed.stdout


@pytest.mark.parametrize("columns", ["0", "1", "5"])
def test_a_terminal_without_columns_gets_the_help_of_a_narrow_one(columns: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "resunit", "log", "--help"],
        env={**os.environ, "COLUMNS": columns}, capture_output=True, text=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    assert "--follow" in printed.stdout
