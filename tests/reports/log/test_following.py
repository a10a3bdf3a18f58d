"""A log is followed from its first line to the end of the run, whatever the end is."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from resunit.io.atomic import is_in_use, only_user_of
from resunit.reports.log.following import QUIET_LOOKS, follow_log, state_of
from resunit.runs.folder import RunFolder
from tests.reports.log.logs import begin_run, end_run, make_line


def script(*acts: Callable[[], object]) -> Callable[[float], None]:
    """A wait that lets the run go on by one act at each call."""
    left = list(acts)

    def wait(_seconds: float) -> None:
        left.pop(0)()

    return wait


def nothing() -> None:
    """Let the run log nothing."""


def test_each_change_is_given_once_and_the_end_ends_it(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")

    def log_and_end() -> None:
        run.append_log(make_line(3))
        end_run(run)

    acts = (lambda: run.append_log(make_line(1)), nothing, lambda: run.append_log(make_line(2)), log_and_end)
    with only_user_of(run.path):
        seen = [[line.step for line in lines] for lines in follow_log(run, script(*acts))]
    assert seen == [[], [1], [1, 2], [1, 2, 3]]


def test_lines_that_a_resumed_run_writes_again_replace_the_old_ones(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    run.append_log(make_line(1))
    length = run.log_bytes()
    run.append_log(make_line(2))
    end_run(run)

    def resume() -> None:
        run.write_environment(run.read_environment() or pytest.fail("no environment"))
        os.utime(run.environment, ns=(0, run.result.stat().st_mtime_ns + 1))
        run.truncate_log(length)

    resume()
    assert state_of(run, asks_for_lock=False) == "trains"

    def end() -> None:
        run.append_log(make_line(2, error=7.0))
        end_run(run)
        os.utime(run.result, ns=(0, run.environment.stat().st_mtime_ns))

    with only_user_of(run.path):
        seen = [
            [(line.step, line.error) for line in lines] for lines in follow_log(run, script(nothing, end))
        ]
    assert seen == [[(1, 80.0)], [(1, 80.0), (2, 7.0)]]


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    run.append_log(make_line(1))
    with run.log.open("ab") as file:
        file.write(b'{"step": 2, "ep')
    end_run(run)
    assert [[line.step for line in lines] for lines in follow_log(run, script())] == [[1]]


def test_a_killed_run_ends_it_once_its_lock_is_free(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    lock = os.open(run.path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    looks = 0

    def wait(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3 * QUIET_LOOKS:  # The process is killed, and writes no result.
            os.close(lock)

    assert [len(lines) for lines in follow_log(run, wait)] == [0]
    assert looks == 3 * QUIET_LOOKS
    assert state_of(run) == "killed"


def test_a_folder_without_environment_is_of_a_run_that_begins(tmp_path: Path) -> None:
    run = begin_run(tmp_path / "run")
    run.environment.unlink()
    assert state_of(run) == "trains"


def test_asking_for_a_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    assert not is_in_use(tmp_path)
    with only_user_of(tmp_path):
        assert is_in_use(tmp_path)
    with only_user_of(RunFolder(tmp_path).path):
        pass
