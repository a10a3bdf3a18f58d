"""Weights of torch-resnet, with each shortcut option and stem."""

import pytest
import torch_resnet
from torch import nn

from resunit.errors import FileFormatError
from resunit.interop.torch_resnet import TORCH_RESNET
from tests.interop.parity import assert_parity, converted

SHORTCUTS = {
    "A": torch_resnet.IdentityShortcut,
    "B": torch_resnet.ProjectionShortcut,
    "C": torch_resnet.FullProjectionShortcut,
}


def network(name: str, **arguments: object) -> nn.Module:
    made = getattr(torch_resnet, name)(**arguments)
    made.set_head(nn.Linear(made.out_planes, 10))
    return made


@pytest.mark.parametrize("option", SHORTCUTS)
@pytest.mark.parametrize("name", ["ResNet20", "PreActResNet20"])
def test_small_networks(name: str, option: str) -> None:
    assert_parity(network(name, shortcut=SHORTCUTS[option]), "torch-resnet", name, 32)


@pytest.mark.full
@pytest.mark.parametrize("option", SHORTCUTS)
@pytest.mark.parametrize(
    "name", [n for n in TORCH_RESNET.architectures if "1001" not in n and "1202" not in n]
)
def test_every_architecture(name: str, option: str) -> None:
    assert_parity(network(name, shortcut=SHORTCUTS[option]), "torch-resnet", name, 48)


@pytest.mark.full
@pytest.mark.parametrize("name", ["ResNet1001", "PreActResNet1001", "ResNet1202", "PreActResNet1202"])
def test_the_deepest(name: str) -> None:
    assert_parity(network(name), "torch-resnet", name, 32)


@pytest.mark.full
@pytest.mark.parametrize("name", ["PreActWideResNet16", "WideResNet28", "PreActResNet50", "ResNet50"])
def test_wide_networks(name: str) -> None:
    assert_parity(network(name, width=2), "torch-resnet", name, 32)


@pytest.mark.full
@pytest.mark.parametrize("name", ["ResNet18", "PreActResNet50"])
def test_imagenet_networks_for_small_images(name: str) -> None:
    assert_parity(network(name, small_images=True), "torch-resnet", name, 32)


def test_a_network_without_a_head_gives_features() -> None:
    assert_parity(torch_resnet.ResNet20(), "torch-resnet", "ResNet20", 32)


def test_a_shortcut_of_3x3_convolutions_is_refused() -> None:
    made = network("PreActResNet20", shortcut=torch_resnet.ConvolutionShortcut)
    with pytest.raises(FileFormatError, match=r"layers\.1\.0\.shortcut\.conv\.weight"):
        converted(made.state_dict(), "torch-resnet", "PreActResNet20")
