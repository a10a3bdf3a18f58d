"""A run goes on only as the run that it began as."""

import shlex
import signal
from pathlib import Path

import pytest

import resunit
from resunit.errors import RunError
from resunit.runs.folder import RunFolder
from resunit.runs.record_files import read_json, write_json
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.training_step import TrainingStep


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that was stopped after its first step, in a folder whose name has a space."""

    def train_with_signal(steps: TrainingStep, step: int) -> None:
        signal.raise_signal(signal.SIGTERM)
        train(steps, step)

    train, folder = TrainingStep.train, tmp_path / "my run"
    changes = {"model": "preresnet20", "data": "cifar10-sample", "image_size": 8, "steps": 2,
               "batch_size": 8}  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(TrainingStep, "train", train_with_signal)
        recipe = with_changes(named_recipe("paper"), changes)
        assert resunit.train(recipe, out=folder, quiet=True).status == "stopped"
    return RunFolder(folder)


EDITS = {
    "seed": 1, "learning_rate": 0.2, "weight_decay": 0.1, "nesterov": True, "normalisation": "channel", "flip": "none",
    "padding": 2, "steps": 3, "batch_size": 16, "design": "original", "label_smoothing": 0.1, "tta": True,
}  # fmt: skip


def test_an_edited_recipe_is_refused_by_the_name_of_the_field(stopped: RunFolder) -> None:
    original = read_json(stopped.recipe)
    other_precision = {"bf16": "fp32", "fp32": "bf16"}[original["precision"]]
    for name, value in {**EDITS, "precision": other_precision}.items():
        assert original[name] != value
        write_json(stopped.recipe, {**original, name: value})
        with pytest.raises(RunError) as refusal:
            resunit.resume(stopped.path, quiet=True)
        message = str(refusal.value)
        assert message.startswith(f"{stopped.recipe}: {name} ")
        assert f"--config {shlex.quote(str(stopped.recipe))}" in message
    write_json(stopped.recipe, original)
    assert resunit.resume(stopped.path, quiet=True).status == "done"


def test_what_changes_no_number_may_change(stopped: RunFolder) -> None:
    write_json(stopped.recipe, {**read_json(stopped.recipe), "checkpoint_every": 1, "device": "cpu"})
    assert resunit.resume(stopped.path, quiet=True).status == "done"


def test_a_run_of_an_older_resunit_goes_on(stopped: RunFolder) -> None:
    """It recorded no recipe beside its environment."""
    environment = read_json(stopped.environment)
    del environment["recipe"], environment["checksum"]
    write_json(stopped.environment, environment)
    assert resunit.resume(stopped.path, quiet=True).status == "done"
