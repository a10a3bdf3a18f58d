"""A brief training on the sample, with the signal measured on the way."""

from contextlib import closing
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from resunit.errors import RunError
from resunit.io.progress import counting
from resunit.propagation import Instrument, Propagation
from resunit.training.precision import autocast
from resunit.training.prepare import prepare
from resunit.training.process_state import isolated_process_state
from resunit.training.recipe import Recipe
from resunit.training.recipes import paper
from resunit.training.training_step import TrainingStep

MEASUREMENTS = 5  # at the beginning, at each quarter, and at the end


@dataclass(frozen=True)
class BriefTraining:
    """What a brief training measured.

    Attributes:
        steps: the steps at which the signal was measured, from 0 to the last.
        signals: the signal at each of them, always on the same images.
        losses: the training loss of each step.
    """

    steps: tuple[int, ...]
    signals: tuple[Propagation, ...]
    losses: tuple[float, ...]


def brief_recipe(model: str, design: str, *, seed: int, steps: int) -> Recipe:
    """Return the paper's schedule in a few steps of 64 images of the sample, with one milestone at 70 %.

    Batch norm normalises over the whole batch. Raises UsageError if a number does not fit.
    """
    return replace(
        paper(),
        data="cifar10-sample",
        model=model,
        design=design,
        seed=seed,
        steps=steps,
        batch_size=64,
        ghost_batch_size=None,
        warmup=0.06,
        milestones=(0.7,),
    )


@isolated_process_state()
def train_briefly(
    model: str, design: str, *, seed: int, steps: int, images: int, quiet: bool
) -> BriefTraining:
    """Train a network on the sample by `brief_recipe`, and measure the signal on at most `images` of the first batch.

    Raises:
        UsageError: a number does not fit.
        RunError: the loss is no number after some step.
    """
    recipe = brief_recipe(model, design, seed=seed, steps=steps)
    setup = prepare(recipe)
    device, precision = setup.distributed.device, setup.recipe.precision
    network = setup.network.train()
    instrument = Instrument(network)
    due = sorted({steps * quarter // (MEASUREMENTS - 1) for quarter in range(MEASUREMENTS)})
    batch = next(setup.batches.between(0, 1, setup.image_size_at))[0]
    signals: list[Propagation] = []
    losses: list[float] = []

    def measure_if_due(step: int) -> None:
        if step in due:
            with autocast(device, precision):
                signals.append(
                    instrument.measure(
                        batch.images[:images], batch.labels[:images], loss=functional.cross_entropy
                    )
                )

    with (
        counting(f"training {model}, {design}", steps, shown=not quiet) as advance,
        closing(setup.batches.feed(0, steps, setup.image_size_at)) as feed,
    ):
        training = TrainingStep(setup, network, feed)
        for step in range(steps):
            measure_if_due(step)
            training.train(step)
            ((loss, _),) = training.read()
            if not torch.tensor(loss).isfinite():
                raise RunError(
                    f"{model}, {design}: the loss is no number after {step + 1} steps; choose another --seed"
                )
            losses.append(loss)
            advance(1)
        measure_if_due(steps)
    return BriefTraining(tuple(due), tuple(signals), tuple(losses))
