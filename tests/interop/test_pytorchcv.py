"""Weights of pytorchcv."""

from dataclasses import replace

import pytest
from pytorchcv.model_provider import get_model
from torch import nn

from resunit.interop.pytorchcv import PYTORCHCV
from tests.interop.parity import assert_parity

SMALL = ["resnet20_cifar10", "preresnet20_svhn", "preresnet10", "resnetbc14b"]
OTHER_DATA = ("_cifar100", "_svhn")


def network(name: str) -> nn.Module:
    """Return pytorchcv's network; its pool of 7 x 7 takes any size, so that a small image is enough."""
    made = get_model(name, pretrained=False)
    if "_" not in name:
        made.get_submodule("features").add_module("final_pool", nn.AdaptiveAvgPool2d(1))
    return made


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name: str) -> None:
    assert_parity(network(name), "pytorchcv", name, 32)


@pytest.mark.full
@pytest.mark.parametrize(
    "name", [n for n in PYTORCHCV.architectures if n not in SMALL and not n.endswith(OTHER_DATA)]
)
def test_every_architecture(name: str) -> None:
    assert_parity(network(name), "pytorchcv", name, 32)


def test_networks_for_other_data_differ_in_classes_alone() -> None:
    for name, architecture in PYTORCHCV.architectures.items():
        model, _, data = name.partition("_")
        if data:
            reference = PYTORCHCV.architectures[f"{model}_cifar10"]
            classes = 100 if data == "cifar100" else 10
            assert architecture.spec == replace(reference.spec, num_classes=classes)


@pytest.mark.full
def test_the_pool_as_it_is() -> None:
    assert_parity(get_model("preresnet10", pretrained=False), "pytorchcv", "preresnet10", 224)
