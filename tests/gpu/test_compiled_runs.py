"""Compiled units on a GPU: captured and uncaptured steps have the same bits, and the numbers of plain units."""

from pathlib import Path

import pytest
import torch

import resunit
from resunit.training.prepare import prepare
from resunit.training.training_step import TrainingStep
from tests.gpu.test_captured_runs import ending, recipe

pytestmark = pytest.mark.gpu


def test_captured_and_uncaptured_compiled_runs_are_bitwise_the_same(tmp_path: Path) -> None:
    """Compiled code draws its random numbers in its own way, so the case is one with dropout."""
    for captured in (True, False):
        compiled = recipe("dropout", compile=True, capture=captured)
        resunit.train(compiled, out=tmp_path / str(captured), quiet=True)
    assert ending(tmp_path / "True") == ending(tmp_path / "False")


def test_compiled_steps_have_the_losses_of_plain_ones() -> None:
    """In IEEE float32 a step rounds by some 1e-7 of each sum; four small steps amplify that by less than 1e4."""
    losses = []
    for compiled in (False, True):
        setup = prepare(recipe("fp32", compile=compiled, capture=False, learning_rate=0.001, warmup=0.0))
        steps = TrainingStep(setup, setup.network.train(), setup.batches.feed(0, 4, setup.image_size_at))
        for step in range(4):
            steps.train(step)
        losses.append(torch.tensor([loss for loss, _ in steps.read()], dtype=torch.float64))
    plain, found = losses
    assert float(((found - plain) / plain).abs().max()) < 1e-3
