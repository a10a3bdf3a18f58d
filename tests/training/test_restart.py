"""Runs of two processes that are killed and started again by torchrun, or stopped by a signal."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import resunit
from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep
from tests.patience import PATIENCE, wait_for_checkpoint, wait_until
from tests.training import code_of_rank
from tests.training.command_lines import Value, program, train_command

# Dropout draws random numbers in every step, and two ghost batches are the half of a step.
CHANGES: dict[str, Value] = {
    "model": "preresnet20", "design": "dropout-shortcut", "data": "cifar10-sample", "image_size": 8, "padding": 2,
    "steps": 60, "batch_size": 16, "ghost_batch_size": 4, "checkpoint_every": 4, "evaluate_steps": 10,
    "evaluation_images": 33,
}  # fmt: skip


def torchrun(out: Path, *options: str, **changes: Value) -> list[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *options]
    return [*start, code_of_rank.__file__, *train_command(out, CHANGES | changes)[len(program()) :]]


@contextmanager
def started(command: list[str], where: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and end it and all its processes if the test fails."""
    process = subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children: list[psutil.Process] = []
    try:
        yield process
    finally:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.wait()
        for child in children:
            child.kill()


def process_of_rank(torchrun: subprocess.Popen[bytes], rank: int) -> psutil.Process:
    for child in psutil.Process(torchrun.pid).children():
        if child.environ().get("RANK") == str(rank):
            return child
    raise AssertionError(f"torchrun has no rank {rank}")


def final(folder: Path) -> tuple[bytes, list[LogLine]]:
    run = RunFolder(folder)
    result = run.read_result()
    assert result is not None
    assert result.status == "done"
    log = [replace(line, seconds=None, images_per_second=None) for line in run.read_log()]
    return run.weights.read_bytes(), log


def codes(where: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in where.glob("*.code")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(torchrun(where / "run"), cwd=where, check=True, capture_output=True, timeout=PATIENCE)
    assert codes(where) == {"rank0-0": "0", "rank1-0": "0"}
    return where / "run"


def test_a_process_that_is_started_again_goes_on_from_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torchrun gives the command again, and says how often it did."""
    recipe = with_changes(named_recipe("paper"), CHANGES | {"steps": 4, "checkpoint_every": 1})
    resunit.train(recipe, out=tmp_path / "whole", quiet=True)
    steps: list[int] = []

    train = TrainingStep.train

    def train_or_break(training: TrainingStep, step: int) -> None:
        steps.append(step)
        if steps == [0, 1, 2]:
            raise MemoryError
        train(training, step)

    monkeypatch.setattr(TrainingStep, "train", train_or_break)
    with pytest.raises(MemoryError):
        resunit.train(recipe, out=tmp_path / "run", quiet=True)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert resunit.train(recipe, out=tmp_path / "run", quiet=True).status == "done"
    assert steps == [0, 1, 2, 2, 3]
    assert final(tmp_path / "run") == final(tmp_path / "whole")


@pytest.mark.full
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_started_again_and_no_sample_is_repeated(
    rank: int, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with started(torchrun(folder, "--max-restarts=2"), tmp_path) as process:
        wait_for_checkpoint(folder, 8)
        process_of_rank(process, rank).kill()
        assert not (folder / "result.json").exists()
        assert process.wait(timeout=PATIENCE) == 0
    assert final(folder) == final(undisturbed)
    assert {name: code for name, code in codes(tmp_path).items() if name.endswith("-1")} == {
        "rank0-1": "0",
        "rank1-1": "0",
    }


@pytest.mark.full
def test_a_process_that_is_killed_before_the_run_began_begins_it_again(
    undisturbed: Path, tmp_path: Path
) -> None:
    with started(torchrun(tmp_path / "run", "--max-restarts=1"), tmp_path) as process:
        wait_until(lambda: len(psutil.Process(process.pid).children()) == 2, "torchrun started no processes")
        process_of_rank(process, 0).kill()
        assert process.wait(timeout=PATIENCE) == 0
    assert final(tmp_path / "run") == final(undisturbed)


def test_a_run_that_torchrun_could_not_find_again_is_refused(tmp_path: Path) -> None:
    command = [part for part in torchrun(tmp_path / "run", "--max-restarts=1") if part != "--out"]
    command.remove(str(tmp_path / "run"))
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode != 0
    assert "resunit: torchrun restarts this group up to 1 times" in done.stderr
    # The first rank to end says why; torchrun then ends the other, which may not have come as far.
    assert "2" in codes(tmp_path).values()
    assert not (tmp_path / "runs").exists()


ENDS = [
    pytest.param(
        number, receiver, marks=() if (number, receiver) == ("SIGTERM", "rank 1") else pytest.mark.full
    )
    for number in ("SIGTERM", "SIGHUP", "SIGUSR1")
    for receiver in ("rank 0", "rank 1", "torchrun")
] + [pytest.param("SIGUSR1", "torchrun, which passes it on", marks=pytest.mark.full)]


@pytest.mark.parametrize(("number", "receiver"), ENDS)
def test_a_signal_to_any_process_stops_all_with_a_checkpoint(
    number: str, receiver: str, tmp_path: Path
) -> None:
    """SIGUSR1 is unknown to torchrun and ends it; its processes see that, and stop as well."""
    folder = tmp_path / "run"
    options = ["--signals-to-handle=SIGTERM,SIGUSR1"] if receiver.endswith("passes it on") else []
    with started(torchrun(folder, *options), tmp_path) as process:
        wait_for_checkpoint(folder, 4)
        if receiver.startswith("torchrun"):
            process.send_signal(signal.Signals[number])
        else:
            process_of_rank(process, int(receiver[-1])).send_signal(signal.Signals[number])
        assert not (folder / "result.json").exists()
        wait_until(lambda: len(codes(tmp_path)) == 2, "the processes did not end")
        assert process.wait(timeout=PATIENCE) != 0
    assert codes(tmp_path) == {"rank0-0": "4", "rank1-0": "4"}
    result = RunFolder(folder).read_result()
    assert result is not None
    assert result.status == "stopped"
    newest = max(path.stem for path in RunFolder(folder).checkpoints.iterdir())
    assert newest == f"step-{result.steps:08d}"


@pytest.mark.full
def test_two_processes_resume_to_the_bits_of_an_undisturbed_run(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with started(torchrun(folder), tmp_path) as process:
        wait_for_checkpoint(folder, 8)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: len(codes(tmp_path)) == 2, "the processes did not end")
    resumed = [*torchrun(folder)[:6], "train", "--resume", str(folder)]
    subprocess.run(resumed, cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE)
    assert final(folder) == final(undisturbed)
