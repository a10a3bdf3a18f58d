"""Weights of timm."""

import pytest
import timm

from resunit.interop.timm import TIMM
from tests.interop.parity import assert_parity

SMALL = ["resnet10t", "resnet18d", "resnetv2_18", "resnetv2_18d"]


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name: str) -> None:
    assert_parity(timm.create_model(name), "timm", name, 64)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in TIMM.architectures if name not in SMALL])
def test_every_architecture(name: str) -> None:
    assert_parity(timm.create_model(name), "timm", name, 64)


@pytest.mark.full
def test_an_image_whose_sides_are_no_multiple_of_the_stride() -> None:
    assert_parity(timm.create_model("resnetv2_50d"), "timm", "resnetv2_50d", 75)
