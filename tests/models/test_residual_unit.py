"""The unit written out by hand; and strided 1x1 convolutions of few channels, which must not end the process."""

import os
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from resunit import create_model
from resunit.models.residual_unit import ResidualUnit, convolution_layers

FORBIDDING_AVX512 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("stride", [2, 3, (2, 1)])
@pytest.mark.parametrize("channels", [1, 3, 7])
def test_few_channels_are_convolved_as_by_one_strided_layer(
    channels: int, stride: int | tuple[int, int], side: int
) -> None:
    torch.manual_seed(0)
    strided = nn.Conv2d(channels, 5, 1, stride).double()
    x = torch.randn(2, channels, side, side, dtype=torch.float64, requires_grad=True)
    expected = strided(x)
    expected_gradients = torch.autograd.grad(expected.square().sum(), [x, *strided.parameters()])
    layers = nn.Sequential(*convolution_layers(strided))
    assert [type(layer) for layer in layers] == [nn.AvgPool2d, nn.Conv2d]
    found = layers(x)
    torch.testing.assert_close(found, expected)
    found_gradients = torch.autograd.grad(found.square().sum(), [x, *layers.parameters()])
    torch.testing.assert_close(found_gradients, expected_gradients)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(8, 4, 1, 2),
        nn.Conv2d(4, 8, 1),
        nn.Conv2d(4, 8, 3, 2, padding=1),
        nn.Conv2d(4, 8, 1, 2, groups=4),
    ],
)
def test_other_convolutions_stay_one_layer(conv: nn.Conv2d) -> None:
    stride = conv.stride
    assert convolution_layers(conv) == [conv]
    assert conv.stride == stride


def test_the_papers_networks_keep_their_strided_projections() -> None:
    model = create_model("preresnet164")
    strided = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert len(strided) == 4
    assert not any(isinstance(module, nn.AvgPool2d) for module in model.modules())


TRAIN = """
from dataclasses import replace
import torch
from torch.nn import functional
from resunit.models.network import build
from resunit.models.registry import network_spec

torch.manual_seed(0)
for name, options in [
    ("resnet20", {"shortcut_option": "B"}),
    ("preresnet20", {"shortcut_option": "C"}),
    ("preresnet20", {"design": "conv-shortcut"}),
    ("resnet164", {}),
]:
    spec = network_spec(name, **options)
    network = build(replace(spec, depths=(1, 1, 1), widths=(4, 12, 16), strides=(2, 2, 2), stem_channels=3))
    network.to(memory_format=torch.channels_last)
    for side in (16, 17, 24) * 2:
        images = torch.randn(8, 3, side, side).to(memory_format=torch.channels_last)
        network.zero_grad()
        functional.cross_entropy(network(images), torch.arange(8)).backward()
        found = [p.grad.double() for p in network.parameters()]
        network.zero_grad()
        exact = network.double()
        functional.cross_entropy(exact(images.double()), torch.arange(8)).backward()
        for gradient, parameter in zip(found, exact.parameters()):
            assert (gradient - parameter.grad).norm() < 1e-3 * (1e-3 + parameter.grad.norm())
        network.float()
print("alive")
"""


def test_small_networks_train_channels_last_without_avx_512() -> None:
    """The gradient of plain strided 1x1 convolutions ends the process there (torch 2.14.1)."""
    environment = os.environ | FORBIDDING_AVX512
    done = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_the_unit_that_the_docstring_writes_out_is_that_of_the_networks() -> None:
    """Fig. 4(e), written by hand, computes what the unit of pre-activation ResNet-20 gives."""
    code = textwrap.dedent((ResidualUnit.__doc__ or "").partition("identity.\n\n")[2])
    by_hand = eval(code, {"ResidualUnit": ResidualUnit, "nn": nn})
    torch.manual_seed(0)
    unit = create_model("preresnet20").get_submodule("stages.0.1")
    branch = unit.get_submodule("branch")
    assert isinstance(branch, nn.Sequential)
    assert [type(layer) for layer in by_hand.branch] == [type(layer) for layer in branch]
    by_hand.branch.load_state_dict(
        dict(zip(by_hand.branch.state_dict(), branch.state_dict().values(), strict=True))
    )
    x = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(by_hand.eval()(x), unit.eval()(x))
