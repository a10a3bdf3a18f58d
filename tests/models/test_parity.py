"""The same weights give the same outputs in other libraries' networks."""

from collections import defaultdict

import pytest
import torch
import torch_resnet
import torchvision
from pytorchcv.model_provider import get_model
from torch import nn

from resunit import create_model
from tests.models.parts import draw_norms

LEAVES = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)


def leaves(model: nn.Module) -> dict[tuple, list[nn.Module]]:
    """Layers with weights, in order, by kind, shape and whether they are on a shortcut."""
    found = defaultdict(list)
    for name, module in model.named_modules():
        if isinstance(module, LEAVES):
            on_shortcut = any(word in name for word in ("shortcut", "identity_conv", "downsample"))
            kind = next(kind for kind in LEAVES if isinstance(module, kind))
            found[kind, tuple(module.weight.shape), on_shortcut].append(module)
    return found


def carry_weights(source: nn.Module, target: nn.Module) -> None:
    ours, theirs = leaves(source), leaves(target)
    assert {key: len(found) for key, found in ours.items()} == {
        key: len(found) for key, found in theirs.items()
    }
    for key, found in ours.items():
        for module, other in zip(found, theirs[key], strict=True):
            other.load_state_dict(module.state_dict())


def assert_same_outputs(ours: nn.Module, theirs: nn.Module, size: int) -> None:
    torch.manual_seed(0)
    draw_norms(ours)
    carry_weights(ours, theirs)
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        expected = theirs.eval()(images)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours.eval()(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("peer", "name", "options"),
    [
        ("resnet20_cifar10", "resnet20", {"shortcut_option": "B"}),
        ("resnet56_cifar10", "resnet56", {"shortcut_option": "B"}),
        (
            "preresnet20_cifar10",
            "preresnet20",
            {"shortcut_option": "B", "shared_preactivation": "projection"},
        ),
        (
            "preresnet110_cifar10",
            "preresnet110",
            {"shortcut_option": "B", "shared_preactivation": "projection"},
        ),
        ("resnet164bn_cifar10", "resnet164", {"stride_on": "3x3"}),
        ("preresnet164bn_cifar10", "preresnet164", {"stride_on": "3x3"}),
    ],
)
def test_pytorchcv(peer: str, name: str, options: dict) -> None:
    assert_same_outputs(create_model(name, **options), get_model(peer, pretrained=False), 32)


@pytest.mark.parametrize(
    ("peer", "name", "options"),
    [
        ("ResNet20", "resnet20", {"shortcut_option": "B"}),
        ("PreActResNet20", "preresnet20", {"shortcut_option": "B", "shared_preactivation": "projection"}),
        ("PreActResNet164", "preresnet164", {"stride_on": "3x3"}),
    ],
)
def test_torch_resnet(peer: str, name: str, options: dict) -> None:
    ours, theirs = create_model(name, **options), getattr(torch_resnet, peer)(small_images=True)
    theirs.head = nn.Linear(ours.num_features, 10)
    assert_same_outputs(ours, theirs, 32)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision(name: str) -> None:
    assert_same_outputs(create_model(name), getattr(torchvision.models, name)(), 64)
