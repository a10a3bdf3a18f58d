"""Training as users start it: all designs on real images, divergence, ghost batches, several processes."""

import platform
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import resunit
from resunit.errors import RunError
from resunit.models.designs import DESIGNS
from resunit.runs.folder import RunFolder
from resunit.training.environment import ANONYMOUS, describe_environment
from resunit.training.loop import train_or_resume
from resunit.training.prepare import prepare
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from resunit.training.result import describe_result
from resunit.training.state import TrainingState
from tests.training.command_lines import train_command

SMALL: dict[str, Any] = {
    "model": "resnet20", "data": "cifar10-sample", "image_size": 16, "steps": 4, "batch_size": 64,
    "precision": "fp32",
}  # fmt: skip


def small(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SMALL | changes)


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_trains_on_real_images(design: str, tmp_path: Path) -> None:
    recipe = small(design=design, steps=4, batch_size=16, warmup=0.0, learning_rate=0.02, validation=50)
    result = resunit.train(recipe, out=tmp_path / design, quiet=True)
    assert result.status == "done"
    assert result.images_seen == 64
    assert result.error is not None
    assert 0 < result.error < 100
    train_loss = RunFolder(tmp_path / design).read_log()[-1].train_loss
    assert train_loss is not None
    assert train_loss < 3.5  # A network that guesses has 2.3.
    stored = resunit.create_model(weights=tmp_path / design / "weights.safetensors").state_dict()
    fresh = resunit.create_model("resnet20", design=design).state_dict()
    assert stored.keys() == fresh.keys()


@pytest.mark.full
def test_training_lowers_the_loss_on_images_it_sees_again(tmp_path: Path) -> None:
    recipe = small(
        model="preresnet20", image_size=32, steps=60, flip="none", padding=0, evaluate_every=100, learning_rate=0.05,
        warmup=0.0,
    )  # fmt: skip
    resunit.train(recipe, out=tmp_path / "run", quiet=True)
    train_loss = RunFolder(tmp_path / "run").read_log()[-1].train_loss
    assert train_loss is not None
    assert train_loss < 2.1


def test_the_run_folder_holds_what_was_promised(tmp_path: Path) -> None:
    result = resunit.train(small(), out=tmp_path / "run", quiet=True)
    folder = RunFolder(tmp_path / "run")
    assert {path.name for path in folder.path.iterdir()} == {
        "recipe.json", "environment.json", "log.jsonl", "checkpoints", "weights.safetensors", "result.json",
        "evaluation.json", "report.html",
    }  # fmt: skip
    assert folder.read_result() == result
    assert (result.model, result.design, result.seed, result.steps) == ("resnet20", "original", 0, 4)
    assert result.images_seen == 4 * 64
    assert result.train_flops > 0
    evaluation, environment = folder.read_evaluation(), folder.read_environment()
    assert evaluation is not None
    confusion = torch.tensor(evaluation.confusion)
    assert 100 * (1 - confusion.trace() / confusion.sum()) == pytest.approx(result.test_error)
    assert environment is not None
    assert (environment.threads, environment.world_size) == (torch.get_num_threads(), 1)
    assert environment.started is not None
    assert datetime.now(UTC) - datetime.fromisoformat(environment.started) < timedelta(hours=1)
    assert environment.host == platform.node()
    assert environment.command is None, "no command was typed"
    assert [answer.index for answer in evaluation.predictions] == [i * 500 // 24 for i in range(24)]


def test_a_run_that_goes_on_keeps_the_time_and_the_command_of_its_start(tmp_path: Path) -> None:
    resunit.train(small(steps=1), out=tmp_path / "run", quiet=True, command="resunit train --steps 1")
    folder = RunFolder(tmp_path / "run")
    environment = folder.read_environment()
    assert environment is not None
    folder.write_environment(replace(environment, started="2026-01-02T03:04:05+00:00", host="elsewhere"))
    folder.report.unlink()
    resunit.resume(folder.path, quiet=True)
    again = folder.read_environment()
    assert again is not None
    assert (again.started, again.command) == ("2026-01-02T03:04:05+00:00", "resunit train --steps 1")
    assert again.host == platform.node()


def test_an_anonymous_run_names_neither_host_nor_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ANONYMOUS, "1")
    environment = describe_environment(
        torch.device("cpu"), "fp32", 1, command="resunit train --data /home/me"
    )
    assert environment.started is not None
    assert environment.host is environment.command is None


def test_training_loss_and_error_are_means_over_the_last_twentieth(tmp_path: Path) -> None:
    """The log of a run that is evaluated after each step tells every step's loss and error."""
    recipe = small(steps=21, batch_size=4, evaluate_steps=1, evaluation_images=2)
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    last = RunFolder(tmp_path / "run").read_log()[-2:]
    assert [line.step for line in last] == [20, 21]
    losses, errors = [line.train_loss for line in last], [line.train_error for line in last]
    assert None not in (*losses, *errors)
    assert result.train_loss == pytest.approx(fmean(loss for loss in losses if loss is not None))
    assert result.train_error == pytest.approx(fmean(error for error in errors if error is not None))


def test_an_end_that_was_not_counted_whole_is_not_known() -> None:
    """A run may go on, within its last twentieth, from a checkpoint that did not count it."""
    setup = prepare(small(steps=60))
    counted = TrainingState(step=60, end_loss_sum=384.0, end_wrong=48, end_seen=3 * 64)
    result = describe_result(setup, counted, "done")
    assert (result.train_loss, result.train_error) == (2.0, 25.0)
    result = describe_result(setup, replace(counted, end_seen=2 * 64), "done")
    assert (result.train_loss, result.train_error) == (None, None)
    result = describe_result(setup, counted, "diverged")
    assert (result.train_loss, result.train_error) == (None, None)


def test_a_step_updates_each_batch_norm_once_a_ghost_batch(tmp_path: Path) -> None:
    """The known mistake of activation checkpointing is that running statistics move twice."""
    recipe = small(steps=3, ghost_batch_size=32, activation_checkpointing="small")
    resunit.train(recipe, out=tmp_path / "run", quiet=True)
    tensors = load_file(tmp_path / "run" / "weights.safetensors")
    counts = [tensor for name, tensor in tensors.items() if name.endswith("tracked")]
    assert counts
    assert all(int(count) == 3 * 2 for count in counts)


def test_a_validation_split_leaves_the_test_set_alone(tmp_path: Path) -> None:
    result = resunit.train(small(validation=100), out=tmp_path / "run", quiet=True)
    assert result.split == "validation"
    assert result.test_error is None
    assert result.best_test_error is None
    assert result.error == result.validation_error is not None
    evaluation = RunFolder(tmp_path / "run").read_evaluation()
    assert evaluation is not None
    assert evaluation.split == "validation"
    assert sum(map(sum, evaluation.confusion)) == 100
    assert {line.split for line in RunFolder(tmp_path / "run").read_log()} == {"validation"}


def test_a_non_finite_loss_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    recipe = small(design="plain", steps=40, checkpoint_every=1, learning_rate=1e30, warmup=0.0)
    result = resunit.train(recipe, out=tmp_path / "run", quiet=True)
    assert result.status == "diverged"
    assert result.test_error is None
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    for path in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())
    with pytest.raises(RunError, match="run: diverged"):
        resunit.resume(tmp_path / "run", quiet=True)
    assert train_or_resume(recipe, tmp_path / "run", quiet=True) == result


@pytest.mark.full
def test_two_processes_equal_one_with_two_ghost_batches(tmp_path: Path) -> None:
    changes = SMALL | {"model": "preresnet20", "steps": 3, "ghost_batch_size": 32, "validation": 20}
    resunit.train(with_changes(named_recipe("paper"), changes), out=tmp_path / "one", quiet=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command = train_command(tmp_path / "two", changes)
    subprocess.run([*torchrun, *command[1:]], check=True, capture_output=True)
    single, double = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, tensor in single.items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(double[name], tensor, rtol=1e-3, atol=1e-4)
    environment = RunFolder(tmp_path / "two").read_environment()
    assert environment is not None
    assert environment.world_size == 2


def test_a_folder_is_not_taken_for_another_recipes(tmp_path: Path) -> None:
    recipe = small(steps=1, batch_size=8, evaluation_images=8)
    first = train_or_resume(recipe, tmp_path / "run", quiet=True)
    assert train_or_resume(recipe, tmp_path / "run", quiet=True) == first
    with pytest.raises(RunError, match=r"run: .* steps 1.* 2"):
        train_or_resume(replace(recipe, steps=2), tmp_path / "run", quiet=True)
