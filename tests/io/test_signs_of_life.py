"""Lines for a user who waits without a terminal."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from resunit.cli import main
from resunit.io import progress, signs_of_life
from resunit.io.streams import LastingStream
from tests.patience import PATIENCE


class Lines:
    """Lines that were said, and the wait for their number."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.changed = threading.Condition()

    def say(self, line: str) -> None:
        with self.changed:
            self.said.append(line)
            self.changed.notify_all()

    def wait_for(self, number: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.said) >= number, PATIENCE), self.said


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs_of_life, "SECONDS_BEFORE_SECOND_LINE", 0.05)
    monkeypatch.setattr(signs_of_life, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(progress, "SECONDS_BEFORE_PROGRESS", 0.02)


def test_long_work_says_its_beginning_how_far_it_is_and_its_end() -> None:
    lines = Lines()
    with signs_of_life.signs_of_life("work", lines.say, 0.0, lambda: "3 of 7"):
        lines.wait_for(3)
    assert lines.said[0] == "work ..."
    assert lines.said[1] == "work ... 3 of 7 after 0 s"
    assert lines.said[-1] == "work: done after 0 s"


def test_short_work_and_the_end_of_work_that_fails_say_nothing() -> None:
    lines = Lines()
    with signs_of_life.signs_of_life("short", lines.say, PATIENCE):
        pass

    def fail() -> None:
        with signs_of_life.signs_of_life("work", lines.say, 0.0):
            lines.wait_for(1)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert set(lines.said) <= {"work ...", "work ... still working after 0 s"}


def test_work_within_other_work_speaks_for_both_and_what_is_written_breaks_the_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outer, inner = Lines(), Lines()
    with signs_of_life.signs_of_life("outer", outer.say, 0.02):
        with signs_of_life.signs_of_life("inner", inner.say, 0.01):
            inner.wait_for(4)
        assert outer.said == []
        monkeypatch.setattr(
            LastingStream, "written_at", float("inf")
        )  # As if something was written for ever.
        number = len(outer.said)
        threading.Event().wait(0.2)
        assert len(outer.said) <= number + 1
        monkeypatch.setattr(LastingStream, "written_at", 0.0)
        outer.wait_for(number + 2)


@pytest.mark.parametrize(
    ("bar", "line"),
    [
        (lambda: progress.counting("decoding", 12_000, shown=True), "decoding ... 5 of 12,000 after 0 s\n"),
        (lambda: progress.downloading("file", 12_000, shown=True), "file ... 0.0 MB after 0 s\n"),
        (lambda: progress.working("npm pack", shown=True), "npm pack ... still working after 0 s\n"),
    ],
)
def test_without_a_terminal_a_bar_is_lines(
    bar: Callable[[], AbstractContextManager[progress.Advance]], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said = ""
    with bar() as advance:
        advance(5)
        for _ in range(int(PATIENCE / 0.05)):
            said += capfd.readouterr().err
            if line in said:
                break
            threading.Event().wait(0.05)
    title = line.partition(" ...")[0]
    assert said.startswith(f"{title} ...\n")
    assert line in said
    assert (said + capfd.readouterr().err).endswith(f"{title}: done after 0 s\n")


def test_a_command_says_that_it_works_and_with_json_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_COMMAND_SPEAKS", 0.0)

    def slow(_name: str) -> list[object]:
        threading.Event().wait(0.3)
        return []

    monkeypatch.setattr("resunit.data.verify", slow)
    assert main(["data", "verify", "cifar10-sample"]) == 0
    assert capsys.readouterr().err.startswith("resunit data verify cifar10-sample ...\n")
    assert main(["data", "verify", "cifar10-sample", "--json"]) == 0
    assert capsys.readouterr().err == ""
