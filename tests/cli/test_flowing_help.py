"""Help breaks its lines where the terminal ends, however the docstrings of commands are broken."""

import inspect

import pytest

from resunit.cli import inference, main, training


@pytest.mark.parametrize(
    ("command", "docstring", "option"),
    [("evaluate", inference.evaluate, "data"), ("train", training.train, "resume")],
)
def test_the_help_of_an_option_is_one_line_on_a_wide_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    docstring: object,
    option: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    assert main([command, "--help"]) == 0
    lines = inspect.cleandoc(str(docstring.__doc__)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"    {option}: "))
    assert lines[first + 1].startswith("     "), "the docstring needs more than one line for it"
    joined = f"{lines[first].partition(': ')[2]} {lines[first + 1].strip()}"
    assert joined in capsys.readouterr().out
