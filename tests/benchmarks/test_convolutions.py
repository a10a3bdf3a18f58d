"""The convolutions that are timed alone are all convolutions of the network, with the gradients of training."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.convolutions import build_pass, list_convolutions
from benchmarks.peers import PEERS, Peer, build_peer_spec
from resunit.models.network import build
from resunit.models.registry import network_spec
from resunit.models.summary import count_multiply_adds, count_parameters, count_training_flops

NETWORKS = [
    ("preresnet20", 32),
    pytest.param("preresnet164", 32, marks=pytest.mark.full),
    ("preresnet10-quick", 32),
    pytest.param("preresnet50", 64, marks=pytest.mark.full),
]


@pytest.mark.parametrize(("name", "image_size"), NETWORKS)
def test_convolutions_and_classifier_are_all_arithmetic_of_the_network(name: str, image_size: int) -> None:
    spec = network_spec(name)
    layers, classifier = list_convolutions(spec, 1, image_size), spec.widths[-1] * spec.num_classes
    assert sum(layer.multiply_adds for layer in layers) + classifier == count_multiply_adds(spec, image_size)
    trained = sum(layer.training_flops for layer in layers) + 3 * 2 * classifier
    assert trained == count_training_flops(spec, image_size)


def test_only_gradients_that_training_needs_are_computed() -> None:
    first, *others = list_convolutions(network_spec("preresnet20"), 4, 32)
    assert (first.input, first.input_gradient, first.weight_gradient) == ((4, 3, 32, 32), False, True)
    assert all(layer.input_gradient and layer.weight_gradient for layer in others)
    whitening = list_convolutions(network_spec("preresnet10-quick"), 4, 32)[0]
    assert not whitening.input_gradient
    assert not whitening.weight_gradient


@pytest.mark.parametrize("name", ["preresnet20", "preresnet10-quick"])
def test_the_timed_pass_does_the_arithmetic_of_the_layers_and_no_other(name: str) -> None:
    layers = list_convolutions(network_spec(name), 2, 32)
    with FlopCounterMode(display=False) as counter:
        build_pass(layers, torch.float32, torch.channels_last)()
    assert counter.get_total_flops() == sum(layer.training_flops for layer in layers)
    with torch.profiler.profile() as profile:
        build_pass(layers, torch.float32, torch.channels_last)
    assert not [event for event in profile.events() or () if "convolution" in event.name]


@pytest.mark.parametrize(
    ("library", "name", "size"),
    [
        *(("pytorchcv", name, 32) for name in ("preresnet20", "resnet20", "preresnet164")),
        *(("torch-resnet", name, 32) for name in ("preresnet20", "resnet20", "preresnet164")),
        ("pytorchcv", "preresnet50", 224),
        ("timm", "preresnet50", 224),
        ("timm", "resnet50", 224),
    ],
)  # fmt: skip
def test_libraries_have_the_same_network(library: str, name: str, size: int) -> None:
    """Convolutions and classifier are equal; at the ends, one batch norm more or less is allowed."""
    spec, peer = build_peer_spec(name), PEERS[library]
    ours, theirs = build(spec), peer.build(peer.networks[name])

    def shapes(model: nn.Module) -> list[tuple[int, ...]]:
        kinds = nn.Conv2d, nn.Linear
        return sorted(tuple(m.weight.shape)[:2] for m in model.modules() if isinstance(m, kinds))

    assert shapes(ours) == shapes(theirs)
    assert abs(count_parameters(ours) - count_parameters(theirs)) <= 128
    with torch.device("meta"):
        image = torch.empty(1, 3, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        theirs.to("meta").eval()(image)
    assert counter.get_total_flops() == 2 * count_multiply_adds(spec, size)


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_library_has_every_network_of_its_table(peer: Peer) -> None:
    for ours, theirs in peer.networks.items():
        network_spec(ours)
        if peer.distribution == "timm":
            import timm

            assert timm.is_model(theirs), theirs
        elif peer.distribution == "pytorchcv":
            from pytorchcv.model_provider import _models

            assert theirs in _models
        else:
            import torch_resnet

            assert hasattr(torch_resnet, theirs)
