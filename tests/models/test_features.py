"""Backbones: features are timm's, in every design and through every tool that takes a network."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FeaturePyramidNetwork

from resunit import create_model
from resunit.errors import UsageError
from resunit.models.designs import DESIGNS
from resunit.models.features import FeaturePyramid
from resunit.models.network import ResidualNetwork, build
from resunit.models.registry import network_spec
from tests.interop.parity import assert_close, converted, draw
from tests.models.parts import draw_norms


def of_design(design: str) -> ResidualNetwork:
    """A network of one unit a stage, on which a mistake in the use of norms would show."""
    torch.manual_seed(0)
    network = build(replace(network_spec("resnet20", design=design), depths=(1, 1, 1)))
    draw_norms(network)
    return network.eval()


def images(side: int = 16) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["resnet10t", "resnetv2_18"])
def test_features_are_timms(name: str) -> None:
    torch.manual_seed(0)
    theirs: Any = timm.create_model(name).eval()
    draw(theirs)
    ours = converted(theirs.state_dict(), "timm", name)
    described = [(feature["num_chs"], feature["reduction"]) for feature in ours.feature_info]
    assert described == [(feature["num_chs"], feature["reduction"]) for feature in theirs.feature_info]
    with torch.no_grad():
        for indices in (None, 2, [1, 3], [-1]):
            for norm in (False, True):
                expected = theirs.forward_intermediates(images(64), indices=indices, norm=norm)
                found = ours.forward_intermediates(images(64), indices=indices, norm=norm)
                assert_close(found[0], expected[0], "features")
                assert len(found[1]) == len(expected[1])
                for ours_, theirs_ in zip(found[1], expected[1], strict=True):
                    assert_close(ours_, theirs_, f"{indices} {norm}")


@pytest.mark.filterwarnings("ignore:NOTE. The nodes obtained by tracing:UserWarning")
@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_has_the_features_that_its_layers_give(design: str) -> None:
    network = of_design(design)
    features = network.feature_info
    paths = [feature["module"] for feature in features]
    assert [(feature["num_chs"], feature["reduction"]) for feature in features] == [
        (16, 1),
        (16, 1),
        (32, 2),
        (64, 4),
    ]
    pyramid = FeaturePyramid(network)
    assert pyramid.out_channels == [16, 16, 32, 64]
    with torch.no_grad():
        found = pyramid(images())
        hooked = create_feature_extractor(network, paths)(images())
        assert list(hooked) == paths
        for tensor, feature, expected in zip(found, features, hooked.values(), strict=True):
            assert tensor.shape == (
                2,
                feature["num_chs"],
                16 // feature["reduction"],
                16 // feature["reduction"],
            )
            torch.testing.assert_close(tensor, expected, rtol=1e-4, atol=1e-5)
        normed = FeaturePyramid(network, [-1], norm=True)(images())
        torch.testing.assert_close(normed, [network.forward_features(images())])


COPIES: dict[str, Callable[[nn.Module], nn.Module]] = {
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda module: pickle.loads(pickle.dumps(module)),
}
RECORDERS: dict[str, Callable[[nn.Module], Callable[[Tensor], list[Tensor]]]] = {
    "torch.export": lambda module: torch.export.export(module, (images(),)).module(),
    "torch.compile": lambda module: torch.compile(module, backend="aot_eager", fullgraph=True),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("copied", COPIES)
def test_every_design_is_copied(copied: str, design: str) -> None:
    for module in (network := of_design(design), FeaturePyramid(network)):
        with torch.no_grad():
            torch.testing.assert_close(COPIES[copied](module)(images()), module(images()), rtol=0, atol=0)


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(design, marks=[] if design in ("original", "full-preactivation") else pytest.mark.full)
        for design in DESIGNS
    ],
)
@pytest.mark.parametrize("recorder", RECORDERS)
def test_a_pyramid_is_recorded(recorder: str, design: str) -> None:
    torch.compiler.reset()
    pyramid = FeaturePyramid(of_design(design), [1, 3])
    with torch.no_grad():
        torch.testing.assert_close(
            RECORDERS[recorder](pyramid)(images()), pyramid(images()), rtol=1e-4, atol=1e-5
        )


def test_a_pyramid_holds_what_it_needs_under_the_names_of_the_network() -> None:
    network = create_model("preresnet18", num_classes=3).eval()
    pyramid = FeaturePyramid(network, [0, 2])
    state = network.state_dict()
    assert {name.split(".")[0] + name.split(".")[1] for name in pyramid.state_dict() if "stages" in name} == {
        "stages0", "stages1",
    }  # fmt: skip
    assert all(torch.equal(tensor, state[name]) for name, tensor in pyramid.state_dict().items())
    assert [feature["module"] for feature in pyramid.feature_info] == ["stem.relu1", "stages.1"]
    assert [feature["reduction"] for feature in pyramid.feature_info] == [2, 8]
    before = network(images(64))
    assert [tuple(feature.shape[1:]) for feature in pyramid(images(64))] == [(64, 32, 32), (128, 8, 8)]
    assert torch.equal(network(images(64)), before)


def test_a_pyramid_of_torchvision_trains_on_it() -> None:
    backbone = FeaturePyramid(create_model("preresnet20"), 3)
    neck = FeaturePyramidNetwork(backbone.out_channels, 8)
    outputs = neck({str(index): feature for index, feature in enumerate(backbone(images()))})
    sum(output.square().sum() for output in outputs.values()).backward()  # pyright: ignore[reportAttributeAccessIssue]
    assert all(parameter.grad is not None for parameter in backbone.parameters()), "nothing is unused"


def test_frozen_parts_stay_frozen() -> None:
    network = create_model("preresnet20")
    network.freeze(["stem", "stage1", "classifier"])
    pyramid = FeaturePyramid(network, [1, 2]).train()
    modes = (pyramid.stem.training, pyramid.stages[0].training, pyramid.stages[1].training)
    assert modes == (False, False, True)


def test_a_pyramid_leaves_the_modes_of_the_layers_as_they_are() -> None:
    network = create_model("preresnet20").train()
    network.stages[0].eval()
    pyramid = FeaturePyramid(network)
    assert pyramid.training
    assert [stage.training for stage in pyramid.stages] == [False, True, True]
    assert not FeaturePyramid(network.eval()).training


def test_the_last_part_can_end_the_computation() -> None:
    network = of_design("original")
    x, features = network.forward_intermediates(images(), indices=[1, 2], stop_early=True)
    assert x is features[1]
    whole, same = network.forward_intermediates(images(), indices=[1, 2])
    assert torch.equal(whole, network.forward_features(images()))
    torch.testing.assert_close(features, same, rtol=0, atol=0)


@pytest.mark.parametrize("indices", [[4], [-5], 5])
def test_parts_that_do_not_exist_are_refused(indices: int | list[int]) -> None:
    with pytest.raises(UsageError, match=r" 4 .* 0 .* 3"):
        FeaturePyramid(of_design("original"), indices)
    with pytest.raises(UsageError, match="indices"):
        FeaturePyramid(of_design("original"), [])


def test_indices_may_be_numbers_of_numpy_and_no_fractions() -> None:
    network = of_design("original")
    several: Any = np.arange(2)
    last: Any = np.int64(2)
    assert FeaturePyramid(network, several).indices == FeaturePyramid(network, [0, 1]).indices
    assert FeaturePyramid(network, last).indices == FeaturePyramid(network, 2).indices
    with pytest.raises(UsageError, match=r"whole number, not 1\.0"):
        FeaturePyramid(network, [1.0])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_of_another_precision_is_described(dtype: torch.dtype) -> None:
    network = create_model("resnet18", in_channels=5).to(dtype)
    assert network.feature_info == create_model("resnet18").feature_info


@pytest.mark.parametrize("design", DESIGNS)
def test_checkpointing_changes_no_gradient(design: str) -> None:
    def gradients(enable: bool) -> tuple[list[Tensor | None], int]:
        torch.manual_seed(0)
        network = build(replace(network_spec("resnet20", design=design), depths=(3, 3, 3)))
        network.set_grad_checkpointing()
        network.set_grad_checkpointing(enable)
        stored = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal stored
            stored += tensor.numel()
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = network(images()).square().sum()
        loss.backward()
        return [parameter.grad for parameter in network.parameters()], stored

    (found, few), (expected, many) = gradients(True), gradients(False)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert few < many


@pytest.mark.parametrize("design", DESIGNS)
def test_every_design_has_its_norms_converted_for_several_processes(design: str) -> None:
    network = of_design(design)
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(network))
    kinds = [type(module) for module in synchronised.modules()]
    assert kinds.count(nn.SyncBatchNorm) == sum(type(m) is nn.BatchNorm2d for m in network.modules())
    assert nn.BatchNorm2d not in kinds
    with torch.no_grad():
        torch.testing.assert_close(synchronised(images()), network(images()), rtol=1e-4, atol=1e-5)
