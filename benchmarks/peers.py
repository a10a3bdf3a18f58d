"""Peers: other libraries with residual networks, and which of their networks equals which of resunit."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from torch import nn

from resunit.errors import unknown
from resunit.models.network import NetworkSpec
from resunit.models.registry import network_spec


@dataclass(frozen=True)
class Peer:
    """A library with residual networks."""

    distribution: str
    """The name by which pip installs it."""
    package: str
    """The name by which Python imports it."""
    build: Callable[[str], nn.Module]
    """The function that builds a network by the library's name for it."""
    networks: dict[str, str]
    """The library's name for each network, by the name that resunit gives it."""

    @property
    def installed(self) -> bool:
        """Whether Python finds the library."""
        return find_spec(self.package) is not None


def from_pytorchcv(name: str) -> nn.Module:
    """Build a network of pytorchcv."""
    from pytorchcv.model_provider import get_model

    return get_model(name, pretrained=False)


def from_torch_resnet(name: str) -> nn.Module:
    """Build a network of torch-resnet, with the classifier that its data set needs."""
    import torch_resnet

    imagenet = name.endswith(("18", "34", "50", "101", "152", "200"))
    model = getattr(torch_resnet, name)(small_images=not imagenet)
    model.set_head(nn.Linear(model.out_planes, 1000 if imagenet else 10))
    return model


def from_timm(name: str) -> nn.Module:
    """Build a network of timm."""
    import timm

    return timm.create_model(name, pretrained=False)


CIFAR_BASIC, CIFAR_BOTTLENECK = ("20", "56", "110", "1202"), ("164", "1001")
IMAGENET = ("18", "34", "50", "101", "152", "200")
TORCH_RESNET = ("20", "32", "44", "56", "110", "164", "1001", "1202", *IMAGENET)

PEERS = {
    "pytorchcv": Peer(
        "pytorchcv",
        "pytorchcv",
        from_pytorchcv,
        {f"preresnet{depth}": f"preresnet{depth}_cifar10" for depth in (*CIFAR_BASIC, "1001")}
        | {f"resnet{depth}": f"resnet{depth}_cifar10" for depth in (*CIFAR_BASIC, "1001")}
        | {"preresnet164": "preresnet164bn_cifar10", "resnet164": "resnet164bn_cifar10"}
        # In networks whose name ends in "b", the 3x3 convolution has the stride, as in resunit.
        | {f"preresnet{depth}": f"preresnet{depth}b" for depth in IMAGENET if int(depth) >= 50}
        | {f"resnet{depth}": f"resnet{depth}b" for depth in IMAGENET if int(depth) >= 50}
        | {f"{kind}{depth}": f"{kind}{depth}" for kind in ("preresnet", "resnet") for depth in ("18", "34")},
    ),
    "torch-resnet": Peer(
        "torch-resnet",
        "torch_resnet",
        from_torch_resnet,
        {f"preresnet{depth}": f"PreActResNet{depth}" for depth in TORCH_RESNET}
        | {f"resnet{depth}": f"ResNet{depth}" for depth in TORCH_RESNET},
    ),
    "timm": Peer(
        "timm",
        "timm",
        from_timm,
        {f"resnet{depth}": f"resnet{depth}" for depth in ("18", "34", "50", "101", "152", "200")}
        | {f"preresnet{depth}": f"resnetv2_{depth}" for depth in ("18", "34", "50", "101", "152")},
    ),
}


def find_peers(names: str) -> list[Peer]:
    """Return the libraries in a list with commas between them. Raises UsageError for an unknown library."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in PEERS:
            raise unknown("library", name, PEERS)
    return [PEERS[name] for name in wanted]


def find_peer_options(name: str) -> dict[str, Any]:
    """Return the options with which the network `name` has the same layers as the networks of other libraries."""
    spec = network_spec(name)
    preactivation = bool(spec.placement.before_first_conv)
    if spec.stem == "imagenet":
        return {"shared_preactivation": "projection"} if preactivation else {}
    if spec.branch == "bottleneck":
        return {"stride_on": "3x3"}
    return {"shortcut_option": "B"} | ({"shared_preactivation": "projection"} if preactivation else {})


def build_peer_spec(name: str) -> NetworkSpec:
    """Return the network `name` with the layers that other libraries give it; if none has it, as resunit has it.

    Raises:
        UsageError: resunit has no network of that name.
    """
    if any(name in peer.networks for peer in PEERS.values()):
        return network_spec(name, **find_peer_options(name))
    return network_spec(name)


def build_pytorchcv(spec: NetworkSpec) -> nn.Module:
    """Build pytorchcv's pre-activation CIFAR network with the units and widths of `spec`."""
    from pytorchcv.models.preresnet_cifar import CIFARPreResNet

    channels = [[width] * depth for depth, width in zip(spec.depths, spec.widths, strict=True)]
    return CIFARPreResNet(channels, spec.stem_channels, spec.branch == "bottleneck")
