"""A run's folder: typed records in, typed records out, and lines that can be taken back."""

import errno
import fcntl
import re
import shlex
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from resunit.errors import DamagedRun, FileFormatError, RunError, WriteError
from resunit.runs.folder import (
    RunFolder,
    claim_default_folder,
    create_run_folder,
    default_folder,
    resume_command,
)
from resunit.runs.schema import LogLine, PropagationLine, RunResult, Status
from tests.patience import PATIENCE


def log_line(step: int) -> LogLine:
    return LogLine(step, step / 10, 2.0, 80.0, "test", 2.1, 81.0, 500)


def result(status: Status) -> RunResult:
    return RunResult(
        model="resnet20", design="original", data="cifar10", recipe="paper", precision="fp32", seed=0,
        status=status, parameters=1, steps=7, images_seen=7, train_flops=1, evaluation_flops=1,
        wall_seconds=1.0, images_per_second=None,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "run", {"name": "paper"})


def test_a_new_folder_holds_the_recipe_and_nothing_else(folder: RunFolder) -> None:
    assert [path.name for path in folder.path.iterdir()] == ["recipe.json"]
    assert folder.read_recipe() == {"name": "paper"}
    assert folder.read_log() == folder.read_propagation() == []
    assert folder.read_result() is folder.read_environment() is folder.read_evaluation() is None
    assert folder.read_finished_result() is None


def test_log_lines_after_a_checkpoint_are_dropped(folder: RunFolder) -> None:
    folder.append_log(log_line(1))
    length = folder.log_bytes()
    folder.append_log(log_line(2))
    folder.truncate_log(length)
    assert folder.read_log() == [log_line(1)]


def test_log_lines_that_a_checkpoint_counted_and_that_are_missing_are_named(folder: RunFolder) -> None:
    folder.append_log(log_line(1))
    with pytest.warns(DamagedRun, match=r"log\.jsonl"):
        folder.truncate_log(folder.log_bytes() + 1)
    assert folder.read_log() == [log_line(1)]


def test_measurements_from_a_step_on_are_dropped_with_a_line_that_was_cut_off(folder: RunFolder) -> None:
    for step in (0, 1, 2):
        folder.append_propagation(PropagationLine(step, step / 10, ("a",), {"stream_rms": (1.0,)}))
    with folder.propagation.open("a") as file:
        file.write('{"step": 1, "ep')
    folder.truncate_propagation(2)
    assert [line.step for line in folder.read_propagation()] == [0, 1]


def test_a_finished_run_needs_its_result_its_weights_and_its_report(folder: RunFolder) -> None:
    folder.write_result(result("done"))
    assert folder.read_finished_result() is None
    folder.report.touch()
    assert folder.read_finished_result() is None
    folder.weights.touch()
    assert folder.read_finished_result() == folder.read_result() == result("done")
    folder.write_result(result("stopped"))
    assert folder.read_finished_result() is None
    folder.write_result(result("diverged"))
    with pytest.raises(RunError, match="--learning-rate"):
        folder.read_finished_result()


def test_a_damaged_record_is_named(folder: RunFolder) -> None:
    folder.result.write_text("{")
    with pytest.raises(FileFormatError, match=r"result\.json"):
        folder.read_result()
    folder.log.write_text('{"step": 1}\n')
    with pytest.raises(FileFormatError, match=r"log\.jsonl"):
        folder.read_log()


def test_a_record_that_cannot_be_read_is_named(folder: RunFolder) -> None:
    folder.environment.mkdir()
    with pytest.raises(FileFormatError, match=r"environment\.json: "):
        folder.read_environment()


def test_a_folder_in_use_is_refused(folder: RunFolder, tmp_path: Path) -> None:
    named = f"^{re.escape(str(folder.path))}: "
    with pytest.raises(RunError, match=named):
        create_run_folder(folder.path, {})
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file"):
        create_run_folder(tmp_path / "file", {})
    with folder.only_user(), pytest.raises(RunError, match=named), folder.only_user():
        pass


def test_a_file_system_without_locks_is_named_and_the_run_goes_on(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.warns(DamagedRun, match=re.escape(str(folder.path))), folder.only_user():
        pass


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"recipe\.json"):
        RunFolder(tmp_path).read_recipe()


def test_a_line_that_the_system_refuses_is_a_write_error(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"log\.jsonl"):
        RunFolder(tmp_path / "absent").append_log(log_line(1))


def test_what_a_killed_process_left_half_written_is_removed(folder: RunFolder) -> None:
    partial = folder.path / ".result.json.123.partial"
    partial.touch()
    with folder.only_user():
        assert not partial.exists()


def test_a_folder_that_a_killed_export_left_keeps_no_run_from_going_on(folder: RunFolder) -> None:
    partial = folder.path / ".hub.123.partial"
    partial.mkdir()
    with folder.only_user():
        assert partial.is_dir()


def test_the_default_folder_is_the_first_unused_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with default_folder("quick") as folder:
        assert folder == Path("runs/quick-1")
        create_run_folder(folder, {})
    with default_folder("quick") as folder:
        assert folder == Path("runs/quick-2")
    assert [path.name for path in Path("runs").iterdir()] == ["quick-1"]  # An unused folder goes away again.


PROCESSES = 8


def at_once(work: Callable[[], object]) -> list[object]:
    """What processes of their own return that do the same work at the same moment."""
    context = get_context("fork")
    barrier, answers = context.Barrier(PROCESSES), context.Queue()

    def wait_and_work() -> None:
        barrier.wait()
        try:
            answers.put(work())
        except RunError as error:
            answers.put(type(error))

    processes = [context.Process(target=wait_and_work) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    return found


def test_runs_that_begin_together_get_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = at_once(lambda: create_run_folder(claim_default_folder("quick"), {}).path.name)
    assert sorted(map(str, found)) == [f"quick-{number}" for number in range(1, PROCESSES + 1)]


def test_one_of_the_runs_that_begin_together_gets_the_folder_that_all_asked_for(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / str(attempt)
        found = at_once(lambda path=path: create_run_folder(path, {}).path.name)
        assert sorted(map(str, found)) == sorted([str(attempt), *[str(RunError)] * (PROCESSES - 1)])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").touch()
    with pytest.raises(RunError, match="runs/quick-1"):
        claim_default_folder("quick")


@pytest.mark.parametrize("line", ["{}", "[]", "[" * 100_000])
def test_a_damaged_measurement_is_named_before_a_run_goes_on(folder: RunFolder, line: str) -> None:
    folder.append_propagation(PropagationLine(0, 0.0))
    with folder.propagation.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileFormatError, match=r"propagation\.jsonl, line 2: "):
        folder.truncate_propagation(1)


def test_the_command_that_continues_a_run_can_be_pasted() -> None:
    assert shlex.split(resume_command(Path("my runs/$1"))) == ["resunit", "train", "--resume", "my runs/$1"]
