"""Folding changes the arithmetic, not the answer."""

import os
import subprocess
import sys
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from resunit import create_model
from resunit.inference.fuse import fold
from resunit.inference.onednn import PackedConvolution, PackedUnit, copy_packed
from resunit.models.designs import DESIGNS
from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit, convolution
from resunit.ops.processor import onednn_takes_bf16
from tests.models.parts import draw_norms


def settled(model: ResidualNetwork) -> ResidualNetwork:
    """`model` with running statistics, gammas and betas that folding could get wrong."""
    draw_norms(model)
    return model.eval()


@pytest.mark.parametrize("design", DESIGNS)
def test_outputs_stay_for_every_design(design: str) -> None:
    torch.manual_seed(0)
    model = settled(create_model("resnet20", design=design))
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = model(images)
        torch.testing.assert_close(fold(model)(images), expected, rtol=1e-3, atol=1e-4)
        assert torch.equal(model(images), expected)  # the original is as it was


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("resnet20", 0),  # every batch norm follows a convolution
        ("preresnet20", 8 + 1),  # the first of each branch but the first unit's, whose is the stem's; closing
        ("preresnet164", 54),
        ("preresnet10-quick", 3 + 1),
    ],
)
def test_what_cannot_be_folded_is_left(name: str, left: int) -> None:
    network = fold(create_model(name))
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == left


@pytest.mark.parametrize("model", ["preresnet20", "preresnet10-quick", "preresnet18"])
def test_packed_convolutions_take_images_of_any_number_and_size(model: str) -> None:
    torch.manual_seed(0)
    network = settled(create_model(model))
    quick = fold(network)
    assert any(isinstance(module, PackedConvolution) for module in quick.modules())
    assert not any(isinstance(module, nn.Conv2d) for module in quick.modules())
    with torch.no_grad():
        for number, side in [(1, 32), (5, 32), (2, 48), (1, 64)]:
            images = torch.randn(number, 3, side, side)
            torch.testing.assert_close(quick(images), network(images), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_the_addition_is_part_of_a_convolution_unless_it_broadcasts() -> None:
    torch.manual_seed(0)
    network = settled(create_model("preresnet20"))
    context = nn.Sequential(nn.AdaptiveAvgPool2d(1), convolution(16, 16, 1))  # (N, C, 1, 1), added everywhere
    network.set_submodule("stages.0.1", ResidualUnit(context))
    quick = fold(network)
    assert sum(isinstance(module, PackedUnit) for module in quick.modules()) == 8
    assert type(quick.get_submodule("stages.0.1")) is ResidualUnit
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(quick(images), network(images), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_folded_network_can_be_copied_after_use() -> None:
    quick, images = fold(settled(create_model("preresnet20"))), torch.randn(2, 3, 32, 32)
    expected = quick(images)
    assert torch.equal(deepcopy(quick)(images), expected)


class StandardisedConvolution(nn.Conv2d):
    """A convolution that does not use its weights as they are."""

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return nn.functional.conv2d(input, weight, self.bias, self.stride, self.padding)


@pytest.mark.parametrize(
    "convolution",
    [
        StandardisedConvolution(16, 16, 3, padding=1, bias=False),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect", bias=False),
        nn.Conv2d(16, 16, 3, padding="same", bias=False),
    ],
)
@torch.no_grad()
def test_convolutions_of_other_kinds_are_computed_as_they_were(convolution: nn.Conv2d) -> None:
    network = settled(create_model("preresnet20"))
    network.set_submodule("stages.0.1.branch.conv1", convolution)
    gelu = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.GELU(approximate="tanh"))
    network.set_submodule("stages.0.2.branch.conv2", gelu)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(fold(network)(images), network(images), rtol=1e-4, atol=1e-5)


class Backwards(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        for module in reversed(self):
            input = module(input)
        return input


@torch.no_grad()
def test_a_sequence_that_calls_in_another_order_keeps_it() -> None:
    network = settled(create_model("preresnet20"))
    convolution = nn.Conv2d(16, 16, 1, bias=False)
    backwards = Backwards(convolution, nn.BatchNorm2d(16), nn.ReLU()).eval()
    network.set_submodule("stages.0.1.branch.conv1", backwards)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(fold(network)(images), network(images), rtol=1e-4, atol=1e-5)


def double(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return 2 * output


@torch.no_grad()
def test_hooks_and_smaller_branches_count() -> None:
    images = torch.randn(2, 3, 32, 32)
    hooked = settled(create_model("preresnet20"))
    doubled = hooked.get_submodule("stages.0.1.branch.conv1")
    doubled.register_forward_hook(double)
    smaller = settled(create_model("preresnet20"))
    pixel = nn.Conv2d(16, 16, 32)  # F of one pixel, added everywhere
    smaller.set_submodule("stages.0.1.branch.conv2", pixel)
    for network in (hooked, smaller):
        for quick in (fold(network), copy_packed(network)):
            torch.testing.assert_close(quick(images), network(images), rtol=1e-4, atol=1e-4)


def test_without_onednn_the_convolutions_stay_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    network = settled(create_model("preresnet20"))
    quick, images = fold(network), torch.randn(2, 3, 32, 32)
    assert not any(isinstance(module, PackedConvolution) for module in quick.modules())
    with torch.no_grad():
        torch.testing.assert_close(quick(images), network(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("design", DESIGNS)
def test_low_precision_weights_give_what_autocast_gives(design: str) -> None:
    """bf16 where the processor has it, else float32: a processor without it is never asked for it."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if onednn_takes_bf16() else torch.float32
    model = settled(create_model("resnet20", design=design).to(memory_format=torch.channels_last))
    images = torch.randn(16, 3, 32, 32).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        exact = model.double()(images.double()).float()
        model.float()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            expected = model(images)
            found, unfolded = fold(model, dtype)(images), copy_packed(model, dtype)(images)
    assert torch.equal(unfolded, expected)  # Evaluation repeats what training measured.
    assert (found - exact).norm() < 1.5 * (expected - exact).norm() + 1e-6 * exact.norm()


NARROW = """
import warnings, torch
from resunit import create_model
from resunit.inference import fold
model, images = create_model("preresnet20").eval(), torch.randn(2, 3, 32, 32)
with warnings.catch_warnings(record=True) as said, torch.inference_mode():
    warnings.simplefilter("always")
    low, exact = fold(model, torch.bfloat16), model(images)
    with torch.autocast("cpu", torch.bfloat16):
        answer = low(images)
print([warning.category.__name__ for warning in said], ((answer - exact).norm() / exact.norm()).item() < 0.02)
"""


def test_a_processor_without_bf16_computes_in_float32_and_says_so_once() -> None:
    narrow = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", NARROW], env=os.environ | narrow, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['PrecisionWarning'] True"
