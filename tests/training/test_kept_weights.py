"""Averages against torch's own, early ends, best weights, and all of them after a kill."""

import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

import resunit
from resunit.errors import UsageError
from resunit.io.tensors import read_tensors
from resunit.reproduction.experiments.identity import identity_of
from resunit.runs.folder import RunFolder
from resunit.training.checkpoints import KIND, find_newest_checkpoint
from resunit.training.kept_weights import KeptWeights
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep
from tests.training.command_lines import resume_command, train_command
from tests.training.test_interruption import wait_for_checkpoint

SMALL: dict[str, Any] = {
    "model": "resnet20", "data": "cifar10-sample", "image_size": 16, "steps": 8, "batch_size": 32, "precision": "fp32",
    "validation": 100, "evaluate_steps": 2, "checkpoint_every": 2,
}  # fmt: skip


def small(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SMALL | changes)


def test_the_average_is_torchs() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    kept, start = KeptWeights(network, 0.6, keep_best=False), network.state_dict()

    def average(old: torch.Tensor, new: torch.Tensor, number: torch.Tensor | int) -> torch.Tensor:
        decay = min(0.6, (1 + int(number) - 1) / (10 + int(number) - 1))
        return decay * old + (1 - decay) * new

    theirs = AveragedModel(network, avg_fn=average, use_buffers=True)
    theirs.update_parameters(network)  # The first update copies.
    for step in range(20):
        network(torch.randn(8, 3))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += torch.randn_like(parameter)
        kept.add_step(step)
        theirs.update_parameters(network)
    averaged = (item for item in theirs.module.state_dict().items() if item[1].is_floating_point())
    for name, tensor in averaged:
        torch.testing.assert_close(kept.network.state_dict()[name], tensor)
    assert not kept.network.training
    assert not torch.equal(kept.network.state_dict()["0.weight"], start["0.weight"])


def test_without_the_fields_the_network_that_trains_is_kept() -> None:
    network = nn.Linear(2, 2)
    kept = KeptWeights(network, None, keep_best=False)
    kept.add_step(0)
    kept.add_best()
    kept.load_best()
    assert kept.network is network
    assert kept.state() == {}


def test_the_file_holds_the_average_and_the_result_both_errors(tmp_path: Path) -> None:
    plain = resunit.train(small(), out=tmp_path / "plain", quiet=True)
    averaged = resunit.train(small(ema_decay=0.5), out=tmp_path / "averaged", quiet=True)
    assert plain.last_step_error is None
    assert averaged.last_step_error == plain.error, "an average changes nothing that trains"
    checkpoint = find_newest_checkpoint(tmp_path / "averaged" / "checkpoints")
    assert checkpoint is not None
    stored = load_file(tmp_path / "averaged" / "weights.safetensors")
    last = load_file(tmp_path / "plain" / "weights.safetensors")
    assert all(torch.equal(stored[name], checkpoint.kept[f"average.{name}"]) for name in stored)
    assert all(torch.equal(last[name], checkpoint.network[name]) for name in last)
    assert not torch.equal(stored["classifier.weight"], last["classifier.weight"])
    log = RunFolder(tmp_path / "averaged").read_log()
    assert log[-1].error == averaged.error
    page = (tmp_path / "averaged" / "report.html").read_text()
    assert "The run keeps an average of the weights of many steps." in page


def test_the_weights_of_the_lowest_validation_error_are_kept(tmp_path: Path) -> None:
    """After a good beginning, a learning rate that is far too high spoils the weights."""
    spoiled = {"learning_rate": 2.0, "warmup": 0.75, "warmup_learning_rate": 0.02, "milestones": ()}
    result = resunit.train(small(keep_best=True, **spoiled), out=tmp_path / "run", quiet=True)
    log = RunFolder(tmp_path / "run").read_log()
    errors = [line.error for line in log if line.error is not None]
    best = errors.index(min(errors))
    assert best < len(errors) - 1, "the test needs a run whose last evaluation is not its best"
    assert result.validation_error == result.best_validation_error == min(errors)
    assert result.last_step_error == errors[-1]
    assert result.kept_epoch == log[best].epoch == result.best_epoch
    until_then = spoiled | {"steps": log[best].step, "warmup": 0.999, "ghost_batch_size": None}
    earlier = resunit.train(small(**until_then), out=tmp_path / "earlier", quiet=True)
    assert earlier.error == result.error
    assert_equal(tmp_path / "run", tmp_path / "earlier")


def assert_equal(one: Path, other: Path) -> None:
    ours, theirs = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_ends_when_its_patience_does(tmp_path: Path) -> None:
    recipe = small(patience=2, steps=40, learning_rate=0.3, warmup=0.0, keep_best=True)
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    log = folder.read_log()
    errors = [line.error for line in log if line.error is not None]
    assert result.status == "done"
    assert result.steps == log[-1].step < 40
    assert len({line.step for line in log}) == len(log), "no evaluation stands twice in the log"
    assert errors.index(min(errors)) == len(errors) - 3
    assert resunit.resume(folder.path, quiet=True) == result

    longer = resunit.resume(folder.path, steps=result.steps + 8, quiet=True)
    assert longer.steps > result.steps, "a new length brings new patience"


def test_a_run_that_ended_early_and_lost_its_result_ends_at_the_same_step(tmp_path: Path) -> None:
    recipe = small(patience=2, steps=40, learning_rate=0.3, warmup=0.0, ema_decay=0.5, keep_best=True)
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    weights, log = folder.weights.read_bytes(), folder.log.read_bytes()
    for file in (folder.result, folder.weights, folder.report):
        file.unlink()
    again = resunit.resume(folder.path, quiet=True)
    assert replace(again, wall_seconds=result.wall_seconds) == result
    assert (folder.weights.read_bytes(), folder.log.read_bytes()) == (weights, log)


def test_average_and_best_weights_resume_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(ema_decay=0.9, keep_best=True, patience=5, evaluate_steps=3)
    resunit.train(recipe, out=tmp_path / "whole", quiet=True)
    with monkeypatch.context() as signalled:

        def train_with_signal(steps: TrainingStep, step: int) -> None:
            if step == 4:
                signal.raise_signal(signal.SIGTERM)
            train(steps, step)

        train = TrainingStep.train
        signalled.setattr(TrainingStep, "train", train_with_signal)
        assert resunit.train(recipe, out=tmp_path / "stopped", quiet=True).status == "stopped"
    assert resunit.resume(tmp_path / "stopped", quiet=True).status == "done"
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def assert_same_end(one: Path, other: Path) -> None:
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    (ours, *_), (theirs, *_) = (sorted((folder / "checkpoints").iterdir()) for folder in (one, other))
    (_, tensors), (_, others) = read_tensors(ours, KIND), read_tensors(theirs, KIND)
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)


@pytest.mark.full
def test_they_resume_after_a_kill_too(tmp_path: Path) -> None:
    changes = SMALL | {"ema_decay": 0.9, "keep_best": True, "patience": 5, "steps": 12, "evaluate_steps": 3}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    resunit.train(with_changes(named_recipe("paper"), changes), out=whole, quiet=True)
    process = subprocess.Popen(
        train_command(killed, changes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_checkpoint(killed, 4)
    process.kill()
    process.wait()
    assert not (killed / "result.json").exists()
    subprocess.run(resume_command(killed), check=True, capture_output=True)
    assert_same_end(whole, killed)


@pytest.mark.parametrize("changes", [{"patience": 3}, {"keep_best": True}])
def test_test_images_choose_nothing(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(changes))} .*validation"):
        resunit.train(small(validation=0, **changes), out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="evaluation_images"):
        small(evaluation_images=10, **changes)


def test_where_evaluations_choose_their_distance_is_part_of_the_identity() -> None:
    def identities(**changes: Any) -> int:
        return len({identity_of(small(evaluate_steps=every, **changes), "data") for every in (1, 2)})

    assert identities() == 1
    assert identities(patience=3) == identities(keep_best=True) == 2
