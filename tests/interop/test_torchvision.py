"""Weights of torchvision."""

import pytest
import torchvision

from tests.interop.parity import assert_parity


def test_a_small_network() -> None:
    assert_parity(torchvision.models.resnet18(num_classes=5), "torchvision", "resnet18", 64)


@pytest.mark.full
@pytest.mark.parametrize(
    "name", ["resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"]
)
def test_every_architecture(name: str) -> None:
    assert_parity(torchvision.models.get_model(name), "torchvision", name, 64)
