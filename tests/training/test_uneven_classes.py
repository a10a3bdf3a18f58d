"""Runs on folders whose classes differ in size, and runs with every random change of images at once."""

from pathlib import Path
from typing import Any

import pytest
import torch

import resunit
from resunit.data import Split
from resunit.errors import UsageError
from resunit.training.prepare import prepare
from resunit.training.recipe import Recipe, with_changes
from resunit.training.recipes import named_recipe
from tests.training.test_own_folders import write_noise

SHORT: dict[str, Any] = {
    "model": "preresnet20", "steps": 4, "batch_size": 8, "precision": "fp32", "checkpoint_every": 2, "padding": 1,
}  # fmt: skip


def recipe(**changes: Any) -> Recipe:
    return with_changes(named_recipe("paper"), SHORT | changes)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training images of class a and 4 of class b."""
    folder = tmp_path_factory.mktemp("uneven")
    write_noise(folder / "train", "a", 36)
    write_noise(folder / "train", ["b"], 4)
    write_noise(folder / "test", "ab", 4)
    return folder


def test_balanced_sampling_shows_classes_equally_often(uneven: Path) -> None:
    def labels(sampling: str) -> torch.Tensor:
        setup = prepare(recipe(data=str(uneven), sampling=sampling))
        steps = setup.batches.between(0, 50, setup.image_size_at)
        return torch.cat([batch.labels for ghost_batches in steps for batch in ghost_batches])

    assert labels("once").float().mean() == 0.1
    assert 0.4 < labels("balanced").float().mean() < 0.6  # The standard deviation is 0.025.


def test_balanced_sampling_shows_images_with_their_own_labels(uneven: Path) -> None:
    setup = prepare(recipe(data=str(uneven), sampling="balanced", padding=0, flip="none"))
    train = setup.dataset.train
    assert isinstance(train, Split)
    images = setup.normalisation(train.images)
    for batch in next(setup.batches.between(0, 1, setup.image_size_at)):
        for image, label in zip(batch.images, batch.labels, strict=True):
            found = (images == image).flatten(1).all(1).nonzero().flatten()
            assert train.labels[found].tolist() == [label]


def test_class_weights_are_those_of_the_training_images(uneven: Path) -> None:
    assert prepare(recipe(data=str(uneven))).loss.class_weights is None
    weights = prepare(recipe(data=str(uneven), class_weights="balanced")).loss.class_weights
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor([40 / (2 * 36), 40 / (2 * 4)]))


def test_one_of_the_two_is_enough() -> None:
    with pytest.raises(UsageError, match="give one"):
        recipe(sampling="balanced", class_weights="balanced")


@pytest.mark.parametrize("uneven_by", [{"sampling": "balanced"}, {"class_weights": "balanced"}])
def test_a_run_with_all_changes_of_images_resumes_bit_for_bit(
    uneven: Path, uneven_by: dict[str, str], tmp_path: Path
) -> None:
    changes = {
        "data": str(uneven), "rand_augment": 9, "random_erasing": 0.25, "mixup": 0.2, "cutmix": 1.0,
        "label_smoothing": 0.1, "ema_decay": 0.5,
    }  # fmt: skip
    whole, part = tmp_path / "whole", tmp_path / "part"
    # The learning rate of this schedule does not depend on the length of the run.
    constant: dict[str, Any] = {"warmup": 0.0, "milestones": (), **uneven_by}
    resunit.train(recipe(**changes, **constant), out=whole, quiet=True)
    resunit.train(recipe(**changes, **constant, steps=2), out=part, quiet=True)
    result = resunit.resume(part, steps=4, quiet=True)
    assert result.status == "done"
    assert (result.last_step_error, result.steps) != (None, 2)
    ours, theirs = (resunit.create_model(weights=run).state_dict() for run in (whole, part))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
