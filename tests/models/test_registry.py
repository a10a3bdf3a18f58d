"""The zoo: names, parameter counts over all of it, and what is refused."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from resunit import create_model, list_models
from resunit.errors import UsageError
from resunit.models.designs import DESIGNS
from resunit.models.network import build
from resunit.models.registry import NETWORKS, find_name, network_spec
from resunit.models.summary import count_multiply_adds, count_parameters, count_training_flops

PUBLISHED = {  # torchvision's and resnet-1k-layers' networks
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "preresnet164": 1_703_258,
    "preresnet1001": 10_327_706,
}


def counted_by_hand(name: str) -> int:
    """Parameters from the paper's description alone: depth, widths, where BN is; two for each BN channel."""
    pre = name.startswith("pre")
    depth = name.removeprefix("pre").removeprefix("resnet")
    if depth in ("18", "34", "50", "101", "152", "200"):
        depths = {
            "18": (2, 2, 2, 2),
            "34": (3, 4, 6, 3),
            "50": (3, 4, 6, 3),
            "101": (3, 4, 23, 3),
            "152": (3, 8, 36, 3),
            "200": (3, 24, 36, 3),
        }[depth]
        kind = "basic" if depth in ("18", "34") else "bottleneck"
        inner, stem, projects, classes = (64, 128, 256, 512), 7 * 7 * 3 * 64, True, 1000
    elif depth in ("164", "1001", "10001"):
        depths, kind, inner = ((int(depth) - 2) // 9,) * 3, "bottleneck", (16, 32, 64)
        stem, projects, classes = 3 * 3 * 3 * 16, True, 10
    else:
        layers = 1 if depth.endswith("1layer") else 2
        depths = ((int(depth.removesuffix("-1layer")) - 2) // (3 * layers),) * 3
        kind, inner = ("one-layer" if layers == 1 else "basic"), (16, 32, 64)
        stem, projects, classes = 3 * 3 * 3 * 16, False, 10
    channels = inner[0]
    total = stem + 2 * channels  # one BN after conv1: original's, or the first unit's, moved
    for stage, (units, width) in enumerate(zip(depths, inner, strict=True)):
        out = 4 * width if kind == "bottleneck" else width
        for index in range(units):
            convs = {
                "one-layer": [(3, channels, out)],
                "basic": [(3, channels, out), (3, out, out)],
                "bottleneck": [(1, channels, width), (3, width, width), (1, width, out)],
            }[kind]
            total += sum(k * k * i * o for k, i, o in convs)
            norms = [i for _, i, _ in convs] if pre else [o for _, _, o in convs]
            if pre and stage == index == 0:
                norms = norms[1:]
            total += 2 * sum(norms)
            if channels != out and projects:
                total += channels * out + (0 if pre else 2 * out)
            channels = out
    return total + (2 * channels if pre else 0) + channels * classes + classes


PAPER = [name for name in list_models() if not name.endswith(("-quick", "-fast94"))]


VERY_DEEP = ("1001", "10001", "1202")  # Such a network takes seconds to build.


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.full) if name.endswith(VERY_DEEP) else name for name in PAPER],
)
def test_parameter_counts(name: str) -> None:
    with torch.device("meta"):
        count = count_parameters(create_model(name))
    assert count == counted_by_hand(name)
    assert count == PUBLISHED.get(name, count)


def test_depths_count_weight_layers() -> None:
    for name in PAPER:
        depth = int(name.removeprefix("pre").removeprefix("resnet").removesuffix("-1layer"))
        spec = network_spec(name)
        layers = {"one-layer": 1, "basic": 2, "bottleneck": 3}[spec.branch]
        assert 2 + layers * sum(spec.depths) == depth


def test_preresnet_is_resnet_with_full_preactivation() -> None:
    assert network_spec("preresnet110") == network_spec("resnet110", design="full-preactivation")


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("name", ["resnet20", "resnet110-1layer", "resnet164", "resnet18", "resnet50"])
def test_any_design_on_any_network(name: str, design: str) -> None:
    spec = network_spec(name, design=design, num_classes=7, in_channels=1)
    with torch.device("meta"):
        model = build(replace(spec, depths=tuple(min(depth, 3) for depth in spec.depths)))
        size = 64 if name in ("resnet18", "resnet50") else 32
        assert model(torch.empty(2, 1, size, size)).shape == (2, 7)


def test_initialisation() -> None:
    torch.manual_seed(0)
    model = create_model("resnet20", design="shortcut-only-gating", gate_bias=-5.0)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            expected = math.sqrt(2 / (math.prod(module.kernel_size) * module.out_channels))
            assert module.weight.std().item() == pytest.approx(expected, rel=0.25)
            assert module.bias is None or torch.equal(module.bias, torch.full_like(module.bias, -5.0))
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert torch.equal(module.bias, torch.zeros_like(module.bias))
    assert isinstance(model.classifier, nn.Linear)
    assert torch.equal(model.classifier.bias, torch.zeros(10))


def test_cost_counts_multiply_adds_of_a_small_network_by_hand() -> None:
    spec = network_spec("resnet20")
    forward = 3 * 3 * 3 * 16 * 32**2 + 6 * 9 * 16 * 16 * 32**2
    forward += 9 * 16 * 32 * 16**2 + 5 * 9 * 32 * 32 * 16**2
    forward += 9 * 32 * 64 * 8**2 + 5 * 9 * 64 * 64 * 8**2 + 64 * 10
    assert count_multiply_adds(spec, 32) == forward
    first_layer = 3 * 3 * 3 * 16 * 32**2
    assert count_training_flops(spec, 32) == 2 * (3 * forward - first_layer)  # images need no gradient


def test_a_network_is_found_by_its_spec_whatever_its_classes_and_conventions() -> None:
    for name in NETWORKS:
        assert find_name(network_spec(name, num_classes=7)) == name
    assert find_name(network_spec("resnet50", stride_on="1x1", in_channels=1)) == "resnet50"
    assert find_name(replace(network_spec("resnet50"), widths=(512, 1024, 2048, 4096))) is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("resnt20", {}), "'resnt20'.*'resnet20'"),
        (("resnet21", {}), "'resnet21'.*'resnet20'"),
        (("ResNet-20", {}), "'ResNet-20'.*'resnet20'"),
        (("ResNet21", {}), "'ResNet21'.*'resnet20'"),
        (("resnet20", {"shortcut_option": "b"}), "'b'.*'B'"),
        (("preresnet1000", {}), "'preresnet1000'.*'preresnet1001'"),
        (("resnet109-1layer", {}), "'resnet109-1layer'.*'resnet110-1layer'"),
        (("resnet20", {"design": "full-preactivaton"}), "'full-preactivaton'.*'full-preactivation'"),
        (
            ("resnet20", {"gate_bias": -6.0}),
            "'original'.*'gate_bias'.*exclusive-gating.*shortcut-only-gating",
        ),
        (("resnet20", {"design": "exclusive-gating", "gate_bais": -6.0}), "'gate_bais'.*'gate_bias'"),
        (("resnet20", {"design": "exclusive-gating", "gate_bias": "low"}), "gate_bias"),
        (
            ("resnet20", {"design": "dropout-shortcut", "drop_probability": 1.5}),
            "drop_probability",
        ),
        (("resnet20", {"stride_on": "3x3"}), "stride_on .*bottleneck.*basic"),
        (("resnet20", {"shared_preactivation": "projection"}), "shared_preactivation .*'original'"),
        (
            ("resnet164", {"design": "conv-shortcut", "shortcut_option": "A"}),
            "shortcut_option .*conv-shortcut",
        ),
        (("preresnet164", {"shortcut_option": "E"}), "shortcut_option 'E'.* A, B, C, D"),
        (("resnet20", {"num_classes": -1}), "num_classes .*0.* -1"),
        (("resnet20", {"num_classes": True}), "num_classes .*whole number, not True"),
        (("resnet20", {"in_chans": 1}), "'in_chans'; did you mean 'in_channels'"),
        (("resnet20", {"pretrained": True}), "'pretrained'; known: .*weights"),
        (("resnet20", {"weights": True}), "path .*not bool"),
        (("resnet20", {"weights": {}}), "path .*not dict"),
        (("resnet20", {"weights": "https://a.org/b.pth"}), "https://a.org/b.pth is an address; download"),
        ((Path("resnet20"), {}), "unknown model .*'resnet20'"),
    ],
)
def test_what_does_not_exist_or_apply_is_refused(arguments: tuple[Any, dict], named: str) -> None:
    name, options = arguments
    with pytest.raises(UsageError, match=named):
        create_model(name, **options)


def test_plain_pytorch_modules_export_and_compile_to_the_same_numbers() -> None:
    torch.manual_seed(0)
    model = create_model("preresnet20").eval()
    images = torch.randn(2, 3, 32, 32)
    exported = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(exported(images), model(images))


@pytest.mark.full
@pytest.mark.parametrize("design", DESIGNS)
def test_torch_compile(design: str) -> None:
    torch.manual_seed(0)
    model = build(network_spec("resnet20", design=design)).eval()
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(torch.compile(model)(images), model(images), rtol=1e-4, atol=1e-4)


def test_numbers_of_numpy_are_numbers() -> None:
    network = create_model("resnet20", num_classes=np.int64(7), in_channels=np.uint8(1))  # pyright: ignore[reportArgumentType]
    assert (network.classifier.out_features, type(network.classifier.out_features)) == (7, int)
    assert create_model("resnet20", design="constant-scaling", shortcut_scale=np.float32(0.5)) is not None
