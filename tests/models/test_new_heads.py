"""Trained networks for other classes and other images: what `create_model` replaces, and what it leaves as it is."""

import copy
import math
import pickle
from pathlib import Path

import pytest
import torch
from timm.models._manipulate import adapt_input_conv
from torch import Tensor, nn

import resunit
from resunit import create_model
from resunit.errors import FileFormatError, UsageError
from resunit.models.network import ResidualNetwork, build
from resunit.models.registry import network_spec
from resunit.models.weights import read_weights, write_weights
from tests.models.parts import draw_norms

PREPARATION = {
    "image_size": 32,
    "normalisation": {"kind": "channel", "mean": [[[0.5]]] * 3, "std": [[[0.2]]] * 3},
}


def stored(folder: Path, name: str = "preresnet20", **options: object) -> tuple[Path, ResidualNetwork]:
    """Write a network with random weights and statistics; return the file and the network."""
    torch.manual_seed(0)
    spec = network_spec(name, **options)  # pyright: ignore[reportArgumentType]
    network = build(spec)
    draw_norms(network)
    path = folder / "weights.safetensors"
    classes = tuple(f"class {number}" for number in range(spec.num_classes))
    write_weights(path, network, spec, classes=classes, preprocessing=PREPARATION, result={})
    return path, network.eval()


def head(network: ResidualNetwork) -> nn.Linear:
    assert isinstance(network.classifier, nn.Linear)
    return network.classifier


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 32, 32, generator=torch.Generator().manual_seed(1))


def test_another_number_of_classes_gives_a_fresh_head_and_leaves_the_rest(tmp_path: Path) -> None:
    path, trained = stored(tmp_path)
    torch.manual_seed(7)
    network = create_model(weights=path, num_classes=3)
    torch.manual_seed(7)
    expected = nn.Linear(64, 3)  # torch's own initialisation, and a bias of 0
    assert torch.equal(head(network).weight, expected.weight)
    assert torch.equal(head(network).bias, torch.zeros(3))
    ours, theirs = network.state_dict(), trained.state_dict()
    rest = [name for name in theirs if not name.startswith("classifier")]
    assert len(rest) == len(theirs) - 2
    assert all(torch.equal(ours[name], theirs[name]) for name in rest)
    assert head(network).weight.requires_grad


def test_the_stored_number_of_classes_keeps_the_head(tmp_path: Path) -> None:
    path, trained = stored(tmp_path)
    network = create_model(weights=path, num_classes=10)
    assert torch.equal(head(network).weight, head(trained).weight)


def test_a_named_network_takes_its_weights_with_another_head(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    assert create_model("preresnet20", weights=path, num_classes=7, in_channels=1)(images(1)).shape == (2, 7)
    with pytest.raises(FileFormatError, match="depths"):
        create_model("preresnet32", weights=path, num_classes=7)


@pytest.mark.parametrize("name", ["preresnet20", "resnet18"])
def test_no_classes_give_the_mean_of_the_features(name: str, tmp_path: Path) -> None:
    path, trained = stored(tmp_path, name)
    network = create_model(weights=path, num_classes=0).eval()
    assert type(network.classifier) is nn.Identity
    with torch.no_grad():
        features = network(images())
        assert features.shape == (2, network.num_features)
        maps = trained.final_activation(trained.stages(trained.stem(images())))
        assert torch.equal(features, maps.mean((2, 3)))
        assert torch.equal(head(trained)(features), trained(images()))


def test_a_network_without_classes_is_saved_loaded_and_given_classes(tmp_path: Path) -> None:
    path, network = stored(tmp_path, num_classes=0)
    assert read_weights(path).classes == ()
    again = create_model(weights=path).eval()
    with torch.no_grad():
        assert torch.equal(again(images()), network(images()))
    assert create_model(weights=path, num_classes=4)(images()).shape == (2, 4)
    with pytest.raises(FileFormatError, match="create_model"):
        resunit.load(path)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 13])
def test_the_first_convolution_is_adapted_as_timm_adapts_it(channels: int, tmp_path: Path) -> None:
    path, trained = stored(tmp_path, "preresnet18")
    network = create_model(weights=path, in_channels=channels)
    first, adapted = (
        next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
        for model in (trained, network)
    )
    assert torch.equal(adapted.weight, adapt_input_conv(channels, first.weight))
    assert adapted.in_channels == channels
    assert network(images(channels)).shape == (2, 1000)


def test_a_grey_image_gives_what_it_gave_in_colour(tmp_path: Path) -> None:
    path, trained = stored(tmp_path)
    network = create_model(weights=path, in_channels=1).eval()
    with torch.no_grad():
        expected = trained(images(1).expand(-1, 3, -1, -1))
        torch.testing.assert_close(network(images(1)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("asked", [{"num_classes": -1}, {"in_channels": 0}, {"num_classes": 2.5}])
def test_numbers_that_are_none_are_refused(asked: dict[str, int], tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    with pytest.raises(UsageError, match=next(iter(asked))):
        create_model(weights=path, **asked)  # pyright: ignore[reportArgumentType]


def test_the_parts_of_a_forward_pass_have_timms_names(tmp_path: Path) -> None:
    _, network = stored(tmp_path)
    with torch.no_grad():
        maps = network.forward_features(images())
        assert maps.shape == (2, 64, 8, 8)
        assert torch.equal(network.forward_head(maps), network(images()))
        assert torch.equal(network.forward_head(maps, pre_logits=True), maps.mean((2, 3)))
    assert network.get_classifier() is network.classifier
    network.reset_classifier(5)
    assert network(images()).shape == (2, 5)
    network.reset_classifier(0)
    assert network(images()).shape == (2, network.num_features)


def test_a_new_classifier_stands_where_the_network_stands(tmp_path: Path) -> None:
    _, network = stored(tmp_path)
    network.double().reset_classifier(5)
    assert head(network).weight.dtype is torch.float64


def test_a_new_classifier_of_a_network_with_a_frozen_one_trains() -> None:
    network = create_model("preresnet20")
    network.freeze(["stem", "classifier"])
    network.reset_classifier(5)
    assert network.frozen == ("stem",)
    assert head(network).weight.requires_grad
    assert head(network.train()).training


def test_frozen_parts_stay_as_they_are_in_every_mode() -> None:
    network = create_model("preresnet20")
    network.freeze(["stem", "stage1"])
    frozen = [parameter for part in (network.stem, network.stages[0]) for parameter in part.parameters()]
    assert not any(parameter.requires_grad for parameter in frozen)
    assert sum(parameter.requires_grad for parameter in network.parameters()) == (
        len(list(network.parameters())) - len(frozen)
    )
    for copied in (network, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        before = {name: tensor.clone() for name, tensor in copied.state_dict().items()}
        copied.eval().train()(images())
        after = copied.state_dict()
        statistics = [name for name in before if name.endswith("running_mean")]
        still = {name for name in statistics if torch.equal(before[name], after[name])}
        assert still == {name for name in statistics if name.startswith(("stem.", "stages.0."))}
        assert not copied.stages[0].training
        assert copied.stages[1].training


@pytest.mark.parametrize(
    ("part", "nearest"), [("stage4", "stage3"), ("stm", "stem"), ("head", "stem, stage1")]
)
def test_a_part_that_does_not_exist_is_refused_with_the_nearest(part: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=nearest):
        create_model("preresnet20").freeze([part])


def test_a_fresh_head_is_small_enough_to_learn_from(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    weight = head(create_model(weights=path, num_classes=50)).weight
    assert weight.abs().max().item() <= 1 / math.sqrt(64)
