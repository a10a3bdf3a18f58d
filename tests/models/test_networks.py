"""The known mistakes of public re-implementations (each would change the network), one test each."""

import pytest
import torch
from torch import Tensor, nn

from resunit import create_model, list_models
from resunit.models.network import ResidualNetwork
from tests.models.parts import conv, part, units

PRE = ["preresnet20", "preresnet164", "preresnet18", "preresnet50"]


def inputs_of(model: ResidualNetwork, size: int) -> dict[nn.Module, Tensor]:
    """What every leaf of `model` is given for one batch of random images."""
    seen: dict[nn.Module, Tensor] = {}
    handles = [
        leaf.register_forward_pre_hook(lambda m, args: seen.__setitem__(m, args[0].clone()))
        for leaf in model.modules()
        if not list(leaf.children())
    ]
    torch.manual_seed(0)
    model(torch.randn(2, conv(model.stem, "conv1").in_channels, size, size))
    for handle in handles:
        handle.remove()
    return seen


def size_for(name: str) -> int:
    return 64 if name in ("preresnet18", "preresnet50") else 32


@pytest.mark.parametrize("name", PRE)
def test_the_last_addition_is_followed_by_one_more_activation(name: str) -> None:
    model = create_model(name).eval()
    seen = inputs_of(model, size_for(name))
    norm, relu = model.final_activation.children()
    assert isinstance(relu, nn.ReLU)
    expected = norm(seen[norm]).clamp(min=0).mean(dim=(2, 3))
    torch.testing.assert_close(seen[model.classifier], expected)


@pytest.mark.parametrize("shared", ["first-of-stage", "channel-change", "projection"])
@pytest.mark.parametrize("name", ["preresnet164", "preresnet50"])
def test_projections_read_the_activated_input(name: str, shared: str) -> None:
    model = create_model(name, shared_preactivation=shared)
    seen = inputs_of(model, size_for(name))
    projecting = [unit for unit in units(model) if isinstance(unit.shortcut, nn.Sequential)]
    projections = [(unit, conv(unit, "shortcut.conv1")) for unit in projecting]
    assert len(projections) == len(model.stages)
    for unit, projection in projections:
        assert seen[projection].min() >= 0
        assert torch.equal(seen[projection], seen[conv(unit, "branch.conv1")])


@pytest.mark.parametrize("shared", ["first-of-stage", "channel-change", "projection"])
@pytest.mark.parametrize("name", PRE)
def test_one_activation_between_the_stem_and_the_first_unit(name: str, shared: str) -> None:
    model = create_model(name, shared_preactivation=shared)
    first = units(model)[0]
    branch = list(first.branch.children())
    before_first_weight = [
        *model.stem.children(),
        first.shared_preact,
        *branch[: branch.index(conv(first, "branch.conv1"))],
    ]
    layers = [leaf for part in before_first_weight for leaf in part.modules() if not list(leaf.children())]
    activating = [type(layer) for layer in layers if isinstance(layer, nn.BatchNorm2d | nn.ReLU)]
    assert activating == [nn.BatchNorm2d, nn.ReLU]


def test_conventions_differ_where_a_stage_keeps_its_channels() -> None:
    shared = {}
    for convention in ("first-of-stage", "channel-change", "projection"):
        model = create_model("preresnet20", shared_preactivation=convention)
        shared[convention] = [not isinstance(unit.shared_preact, nn.Identity) for unit in units(model)]
    assert shared["first-of-stage"] == [i in (0, 3, 6) and i > 0 for i in range(9)]
    assert shared["channel-change"] == shared["first-of-stage"]
    assert not any(shared["projection"])  # option A projects nowhere


def test_bottlenecks_are_64_wide_in_the_first_stage() -> None:
    for name in ("resnet164", "preresnet1001"):
        model = create_model(name)
        first = part(model, "stages.0", nn.Sequential)
        assert conv(first, "0.branch.conv1").out_channels == 16
        assert {conv(unit, "branch.conv3").out_channels for unit in first} == {64}


@pytest.mark.parametrize("name", [name for name in list_models() if name.endswith(("20", "164", "18", "50"))])
def test_batch_norms_are_as_wide_as_what_they_normalise(name: str) -> None:
    model = create_model(name)
    for leaf, x in inputs_of(model, 64).items():
        if isinstance(leaf, nn.BatchNorm2d):
            assert leaf.num_features == x.shape[1]


@pytest.mark.parametrize(("where", "strides"), [("1x1", (2, 1)), ("3x3", (1, 2))])
def test_a_bottlenecks_stride_is_where_it_was_asked_for(where: str, strides: tuple[int, int]) -> None:
    model = create_model("preresnet50", stride_on=where)
    convs = (conv(model, "stages.1.0.branch.conv1"), conv(model, "stages.1.0.branch.conv2"))
    assert tuple(layer.stride[0] for layer in convs) == strides


@pytest.mark.parametrize(("option", "projections"), [("A", 0), ("B", 2), ("C", 9)])
def test_each_shortcut_option_has_its_number_of_projections(option: str, projections: int) -> None:
    model = create_model("resnet20", shortcut_option=option)
    convs = [m for unit in units(model) for m in unit.shortcut.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == projections
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)
