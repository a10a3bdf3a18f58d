"""The time that a run will take on this machine, measured on a copy of its network before the first step."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import nn

from resunit.training.captured_work import RUNS_BEFORE_CAPTURE
from resunit.training.optimizer import RecipeOptimizer
from resunit.training.precision import autocast, dtype_of_weights
from resunit.training.process_state import isolated_random_numbers
from resunit.training.setup import TrainingSetup
from resunit.training.totals import CAPACITY
from resunit.training.training_step import TrainingStep

IMAGES = 64  # These are the images of the passes that are measured.
IMAGES_TO_WARM_UP = 8
IMAGE_CHANNELS = 3
SECONDS_TO_WARM_UP = 3.0  # A machine on which eight images take longer is slow enough to be judged by them.
SECONDS_OF_STEPS = 0.5  # A GPU takes steps for at least so long.
FORWARD_SHARE = 1 / 3  # Of a training pass: the backward pass computes two gradients for each layer.


@dataclass(frozen=True)
class Speed:
    """The seconds that the parts of a run take."""

    image: Mapping[int, float]
    """The seconds to train on one image, by its side in pixels."""
    update: float
    """The seconds for one step of the optimizer."""


def measure_speed(setup: TrainingSetup) -> Speed:
    """Return how fast a run computes here; its network, its optimizer and all random numbers stay as they are."""
    with isolated_random_numbers():
        network = deepcopy(setup.network).train()
        if setup.distributed.device.type == "cuda":
            return Speed(
                {side: seconds_per_image_of_steps(setup, network, side) for side in setup.flops}, 0.0
            )
        image = {side: _seconds_per_image(setup, network, side) for side in setup.flops}
        optimizer = RecipeOptimizer(setup.recipe, network)
        # The first step takes longer, because it also makes the optimizer's state.
        optimizer.step()
        _seconds_of_pass(setup, network, setup.image_size, IMAGES_TO_WARM_UP)  # Each step needs gradients.
        began = time.monotonic()
        optimizer.step()
        _wait_for(setup.distributed.device)
        return Speed(image, time.monotonic() - began)


def seconds_per_image_of_steps(setup: TrainingSetup, network: nn.Module, side: int) -> float:
    """Return the seconds for an image in whole training steps, as they are repeated in a run.

    On a GPU the parts of a step say little: it computes small batches no faster than large ones, and a captured
    step much faster than one that the host starts.

    Args:
        setup: the run; its first step is repeated.
        network: a copy of its network, which is trained.
        side: the side of the images in pixels.
    """
    copied = replace(setup, network=network, optimizer=RecipeOptimizer(setup.recipe, network))
    with closing(setup.batches.feed(0, 1, lambda _: side)) as feed:
        steps = TrainingStep(copied, network, feed)
        steps.capture_if_possible(lambda _reason: None)
        _seconds_of_steps(steps, RUNS_BEFORE_CAPTURE + 1)
        count, seconds = 1, 0.0
        while seconds < SECONDS_OF_STEPS and count < CAPACITY:
            count *= 2
            seconds = _seconds_of_steps(steps, count)
    return seconds / count / setup.batches.batch_size


def _seconds_of_steps(steps: TrainingStep, count: int) -> float:
    began = time.monotonic()
    for _ in range(count):
        steps.train(0)
    steps.read()
    return time.monotonic() - began


def seconds_of_run(setup: TrainingSetup, speed: Speed, first: int = 0) -> float:
    """Return how long a run takes from the step number `first` on, its evaluations included."""
    images, size = setup.batches.batch_size, setup.image_size
    sides = Counter(setup.image_size_at(step) for step in range(first, setup.steps))
    training = sum(count * (images * speed.image[side] + speed.update) for side, count in sides.items())
    on_the_way = sum(map(setup.evaluates_after, range(first + 1, setup.steps)))
    watched = len(setup.dataset.watched)
    judged = 0 if setup.dataset.validation is None else len(setup.dataset.test)
    evaluated = on_the_way * min(setup.recipe.evaluation_images or watched, watched) + watched + judged
    return training + evaluated * FORWARD_SHARE * speed.image[size]


def _seconds_per_image(setup: TrainingSetup, network: nn.Module, side: int) -> float:
    """Return the seconds in passes of the size that training has, up to `IMAGES`: small ones cost more an image."""
    seconds = _seconds_of_pass(setup, network, side, IMAGES_TO_WARM_UP)
    if seconds > SECONDS_TO_WARM_UP:
        return seconds / IMAGES_TO_WARM_UP
    share = setup.batches.batch_size // setup.distributed.world_size
    images = min(IMAGES, setup.batches.ghost_batch_size or share)
    passes = IMAGES // images
    return sum(_seconds_of_pass(setup, network, side, images) for _ in range(passes)) / (passes * images)


def _seconds_of_pass(setup: TrainingSetup, network: nn.Module, side: int, images: int) -> float:
    """Return the seconds of a forward and backward pass on as many images, which are noise."""
    device, recipe = setup.distributed.device, setup.recipe
    batch = torch.randn(images, IMAGE_CHANNELS, side, side, device=device)
    batch = batch.to(dtype_of_weights(recipe.precision), memory_format=torch.channels_last)
    labels = torch.zeros(images, dtype=torch.int64, device=device)
    began = time.monotonic()
    with autocast(device, recipe.precision):
        setup.loss(network(batch), labels).backward()
    _wait_for(device)
    return time.monotonic() - began


def _wait_for(device: torch.device) -> None:
    if device.type == "mps":
        torch.mps.synchronize()
