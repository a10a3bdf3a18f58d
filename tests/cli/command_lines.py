"""Commands that have to fail, and the beginning of one that trains."""

import pytest

from resunit.cli import main

TRAIN = ("train", "--data", "cifar10-sample")


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The one line on stderr of a command that has to fail with `code`."""
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]
