"""Averaged images, against the arithmetic of NumPy and the stored images."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from resunit.data import load
from resunit.data.averaging import average
from resunit.data.dataset import content_checksum
from resunit.training.prepare import prepare
from resunit.training.recipe import with_changes
from resunit.training.recipes import named_recipe


@pytest.mark.parametrize("size", [8, 16])
def test_each_pixel_is_the_rounded_mean_of_its_square(size: int) -> None:
    whole, small = load("cifar10-sample"), load("cifar10-sample", image_size=size)
    factor = 32 // size
    for stored, averaged in ((whole.train, small.train), (whole.test, small.test)):
        squares = stored.images.numpy().reshape(-1, 3, size, factor, size, factor)
        expected = np.floor(squares.mean((3, 5), dtype=np.float64) + 0.5)
        assert averaged.images.dtype == torch.uint8
        assert np.array_equal(averaged.images.numpy(), expected)
        assert torch.equal(averaged.labels, stored.labels)
    assert small.checksum == content_checksum(whole.classes, small.train, small.test) != whole.checksum
    assert replace(small, train=whole.train, test=whole.test, checksum=whole.checksum) == whole


def test_halves_are_rounded_up_and_white_stays_white() -> None:
    squares = torch.tensor([[0, 1], [0, 1]], dtype=torch.uint8), torch.full((2, 2), 255, dtype=torch.uint8)
    assert average(torch.stack(squares)[None], 1).flatten().tolist() == [1, 255]


@pytest.mark.parametrize("size", [None, 32])
def test_stored_images_stay_as_they_are(size: int | None) -> None:
    dataset = load("cifar10-sample", image_size=size)
    assert dataset.train.side == 32
    assert dataset.checksum == load("cifar10-sample").checksum


def test_training_evaluation_and_held_out_images_have_the_size() -> None:
    changes = {"data": "cifar10-sample", "model": "resnet20", "image_size": 16, "steps": 1, "validation": 100}
    setup = prepare(with_changes(named_recipe("paper"), changes))
    small = load("cifar10-sample", image_size=16)
    assert setup.dataset.train.side == setup.dataset.test.side == setup.image_size == 16
    assert len(setup.dataset.train) == len(small.train) - 100
    assert setup.normalisation.mean.shape == (3, 16, 16)
    assert setup.flops.keys() == {16}
