"""akamaster's and kuangliu's CIFAR networks, against their forward passes written out: they are no packages."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.errors import UsageError
from resunit.interop.registry import find_architecture, find_library
from tests.interop.parity import assert_parity


class PadBothSides(nn.Module):
    """Option A: every second pixel, and a quarter of the new width in zeros before and after the channels."""

    def __init__(self, planes: int):
        super().__init__()
        self.planes = planes

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.planes // 4, self.planes // 4))


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, planes: int, stride: int, option: str):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module = nn.Sequential()
        if stride != 1 or inputs != planes:
            self.shortcut = (
                PadBothSides(planes)
                if option == "A"
                else nn.Sequential(nn.Conv2d(inputs, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], option: str):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages, inputs = len(depths), widths[0]
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), 1):
            blocks = []
            for index in range(depth):
                blocks.append(BasicBlock(inputs, width, 2 if stage > 1 and index == 0 else 1, option))
                inputs = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(inputs, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.linear(functional.avg_pool2d(x, x.shape[-1]).flatten(1))


def akamaster(units: int, option: str = "A") -> ResNet:
    return ResNet((units,) * 3, (16, 32, 64), option)


@pytest.mark.parametrize("option", ["A", "B"])
def test_a_small_network(option: str) -> None:
    assert_parity(akamaster(3, option), "akamaster", "resnet20", 32)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "units"),
    [("resnet32", 5), ("resnet44", 7), ("resnet56", 9), ("resnet110", 18), ("resnet1202", 200)],
)
def test_every_architecture(name: str, units: int) -> None:
    assert_parity(akamaster(units), "akamaster", name, 32)


@pytest.mark.full
@pytest.mark.parametrize(("name", "depths"), [("ResNet18", (2, 2, 2, 2)), ("ResNet34", (3, 4, 6, 3))])
def test_kuangliu(name: str, depths: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    assert_parity(ResNet(depths, (64, 128, 256, 512), "B"), "kuangliu", name, 32)


def test_what_activates_nothing_at_its_end_is_refused() -> None:
    with pytest.raises(UsageError, match="PreActResNet18"):
        find_architecture(find_library("kuangliu"), "PreActResNet18")
