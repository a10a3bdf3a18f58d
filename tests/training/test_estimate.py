"""How long a run takes: measured on a copy, and added up from its steps and evaluations."""

import re
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from resunit.training.display import describe_time
from resunit.training.estimate import Speed, measure_speed, seconds_of_run, seconds_per_image_of_steps
from resunit.training.prepare import prepare
from resunit.training.process_state import isolated_process_state
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe
from resunit.training.setup import TrainingSetup


@pytest.fixture(scope="module")
def setup() -> TrainingSetup:
    """12 steps of 100 images, the first 6 of 24 pixels; 500 test images, of which two evaluations use 60."""
    changes = {
        "data": "cifar10-sample", "epochs": None, "steps": 12, "batch_size": 100, "evaluate_steps": 4,
        "evaluation_images": 60,
    }  # fmt: skip
    with isolated_process_state():
        return prepare(with_changes(named_recipe("quick"), changes))


def test_the_time_is_that_of_steps_updates_and_evaluations(setup: TrainingSetup) -> None:
    speed = Speed(image={24: 0.5, 32: 2.0}, update=7.0)
    whole = 6 * 100 * 0.5 + 6 * 100 * 2.0 + 12 * 7 + (2 * 60 + 500) * 2.0 / 3
    assert seconds_of_run(setup, speed) == pytest.approx(whole)
    rest = 4 * 100 * 2.0 + 4 * 7 + 500 * 2.0 / 3  # After the evaluation of step 8.
    assert seconds_of_run(setup, speed, first=8) == pytest.approx(rest)


def test_a_run_with_validation_and_test_images_takes_the_time_of_both(setup: TrainingSetup) -> None:
    dataset = replace(setup.dataset, validation=setup.dataset.test[:50])
    speed = Speed(image={24: 0.0, 32: 3.0}, update=0.0)
    training = 6 * 100 * 3.0
    expected = training + 2 * 50 + 50 + 500  # Two evaluations are on the way, and both kinds are at the end.
    assert seconds_of_run(replace(setup, dataset=dataset), speed) == pytest.approx(expected)


def test_measuring_changes_nothing(setup: TrainingSetup) -> None:
    weights = {name: tensor.clone() for name, tensor in setup.network.state_dict().items()}
    random, optimizer = torch.get_rng_state(), str(setup.optimizer.state())
    speed = measure_speed(setup)
    assert speed.image.keys() == {24, 32}
    assert min(*speed.image.values(), speed.update) > 0
    assert all(torch.equal(tensor, weights[name]) for name, tensor in setup.network.state_dict().items())
    assert all(parameter.grad is None for parameter in setup.network.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert str(setup.optimizer.state()) == optimizer


def test_whole_steps_are_measured_on_a_copy_as_on_a_gpu(setup: TrainingSetup) -> None:
    """The copy learns the images of the step that is repeated; the run's own network stays as it is."""
    weights = {name: tensor.clone() for name, tensor in setup.network.state_dict().items()}
    copy = deepcopy(setup.network).train()
    with isolated_process_state():
        assert seconds_per_image_of_steps(setup, copy, 24) > 0
    assert all(torch.equal(tensor, weights[name]) for name, tensor in setup.network.state_dict().items())
    assert not torch.equal(copy.state_dict()["classifier.weight"], weights["classifier.weight"])


@pytest.mark.parametrize(
    ("seconds", "epochs", "shorter"),
    [
        (100, 12, None),
        (2400, 12, None),
        (4 * 3600, 12, 1),
        (3600, 12, 4),
        (9e5, 1, None),
        (4 * 3600, None, None),
    ],
)
def test_a_slow_machine_is_offered_a_shorter_run(
    seconds: float, epochs: float | None, shorter: int | None
) -> None:
    found = re.search(r"--epochs (\d+)", describe_time(seconds, epochs))
    assert (None if found is None else int(found[1])) == shorter
