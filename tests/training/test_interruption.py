"""A run that was killed or stopped, and resumed, ends with bitwise the weights of an undisturbed one."""

import os
import random
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import resunit
from resunit.runs.folder import RunFolder
from resunit.runs.schema import LogLine
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep
from tests.patience import PATIENCE, wait_for_checkpoint
from tests.training.command_lines import resume_command, train_command

# Dropout draws random numbers in every step, so that their state is part of what has to resume.
CHANGES = {
    "model": "resnet20", "design": "dropout-shortcut", "data": "cifar10-sample", "image_size": 16, "steps": 20,
    "batch_size": 32, "ghost_batch_size": 16, "checkpoint_every": 2, "validation": 20,
}  # fmt: skip


def start(out: Path) -> list[str]:
    return train_command(out, CHANGES)


def final(folder: Path) -> tuple[dict[str, torch.Tensor], list[LogLine]]:
    run = RunFolder(folder)
    result = run.read_result()
    assert result is not None
    assert result.status == "done"
    assert run.report.exists()
    log = [replace(line, seconds=None, images_per_second=None) for line in run.read_log()]
    return load_file(run.weights), log


def assert_same(one: Path, other: Path) -> None:
    (weights, log), (other_weights, other_log) = final(one), final(other)
    assert weights.keys() == other_weights.keys()
    assert all(torch.equal(tensor, other_weights[name]) for name, tensor in weights.items())
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    assert log == other_log


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that Python code trains in this process, with the weights that the command gives."""
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    resunit.train(with_changes(named_recipe("paper"), CHANGES), out=folder, quiet=True)
    return folder


@pytest.mark.full
@pytest.mark.parametrize("recipe", ["quick", "fast94"])
def test_the_recipes_of_our_own_resume_too(recipe: str, tmp_path: Path) -> None:
    """They use Muon, rates of their own, images that grow, and this processor's precision."""
    changes = {"data": "cifar10-sample", "steps": 8, "checkpoint_every": 2}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        process = subprocess.Popen(
            train_command(folder, changes, recipe),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if folder is killed:
            wait_for_checkpoint(folder, 2)
            process.kill()
        process.wait()
    assert not (killed / "result.json").exists()
    subprocess.run(resume_command(killed), check=True, capture_output=True)
    assert_same(whole, killed)


def test_killed_in_the_middle_of_an_epoch(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = subprocess.Popen(start(folder), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for_checkpoint(folder, 4)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "result.json").exists()
    subprocess.run(resume_command(folder), check=True, capture_output=True)
    assert_same(undisturbed, folder)


SIGNALS = [
    signal.SIGINT,
    *(
        pytest.param(number, marks=pytest.mark.full)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
    ),
]


@pytest.mark.parametrize("number", SIGNALS)
def test_stopped_by_a_signal(undisturbed: Path, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "stopped"
    process = subprocess.Popen(start(folder), stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    wait_for_checkpoint(folder, 2)
    process.send_signal(number)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert f"resunit train --resume {folder}" in output
    result = RunFolder(folder).read_result()
    assert result is not None
    assert result.status == "stopped"
    resunit.resume(folder, quiet=True)
    assert_same(undisturbed, folder)


@pytest.mark.full
def test_the_end_of_its_terminal_stops_a_run_and_a_run_under_nohup_goes_on(tmp_path: Path) -> None:
    for name, command, ended in (("run", [], 4), ("kept", ["nohup"], 0)):
        folder = tmp_path / name
        child, terminal = os.forkpty()
        if child == 0:
            os.chdir(tmp_path)
            os.execvp(*(lambda words: (words[0], words))([*command, *start(folder)]))
        wait_for_checkpoint(folder, 2)
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == ended
        result = RunFolder(folder).read_result()
        assert result is not None
        assert result.status == ("stopped" if ended else "done")


@pytest.mark.parametrize("last", [2, pytest.param(4, marks=pytest.mark.full)])
def test_stopping_waits_for_no_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """In a step after which an evaluation is due, and in the last one: it comes when the run goes on."""
    changes = {
        "steps": 4,
        "batch_size": 8,
        "evaluate_steps": 2,
        "model": "resnet20",
        "data": "cifar10-sample",
        "image_size": 8,
    }
    recipe = with_changes(named_recipe("paper"), changes)
    resunit.train(recipe, out=tmp_path / "whole", quiet=True)
    with monkeypatch.context() as signalled:

        def train_with_signal(steps: TrainingStep, step: int) -> None:
            if step + 1 == last:
                signal.raise_signal(signal.SIGTERM)
            train(steps, step)

        train = TrainingStep.train
        signalled.setattr(TrainingStep, "train", train_with_signal)
        stopped = resunit.train(recipe, out=tmp_path / "stopped", quiet=True)
    assert (stopped.status, stopped.steps) == ("stopped", last)
    assert [line.step for line in RunFolder(tmp_path / "stopped").read_log()] == ([] if last == 2 else [2])
    assert resunit.resume(tmp_path / "stopped", quiet=True).status == "done"
    assert_same(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.full
def test_killed_at_any_moment(undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, from the first import to the last file, again and again until it is done.

    No machine trains within the first second. Each try gets more time than the one before, so that a busy machine
    comes to the end as well.
    """
    moments = random.Random(0)
    for attempt in range(3):
        folder = tmp_path / f"killed-{attempt}"
        arguments, kills = start(folder), 0
        while True:
            process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            try:
                assert process.wait(timeout=moments.uniform(0.3, 1) * 1.2**kills) == 0
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
            if (folder / "recipe.json").exists():
                arguments = resume_command(folder)
            assert kills < 60
        assert kills > 0
        assert_same(undisturbed, folder)
