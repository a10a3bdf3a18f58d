"""A network as a backbone: the activations of its stem and its stages, under timm's names."""

from collections.abc import Sequence
from copy import deepcopy
from numbers import Integral
from typing import Protocol, TypedDict

import torch
from torch import Tensor, nn

from resunit.errors import UsageError
from resunit.io.fields import check_value
from resunit.models.partly_frozen import PartlyFrozen

SIDE_PIXELS = 256  # The largest reduction of a network is far smaller.


class Feature(TypedDict):
    """The activations that a part of a network gives, described in timm's words."""

    num_chs: int
    """The number of channels."""
    reduction: int
    """The side of the images divided by the side of the activations."""
    module: str
    """The path of the layer that gives them."""


class Backbone(Protocol):
    """A network of resunit, with the parts that features are taken from."""

    stem: nn.Module
    stages: nn.Sequential
    final_activation: nn.Module
    frozen: tuple[str, ...]


def split_stem(stem: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return the layers of a stem before its pooling, and the pooling; without one, the identity."""
    if isinstance(stem, nn.Sequential) and isinstance(stem[-1], nn.MaxPool2d):
        return stem[:-1], stem[-1]
    return stem, nn.Identity()


def describe_features(network: Backbone) -> list[Feature]:
    """Return the features that the stem, before its pooling, and each stage give; no image is computed."""
    layers, pool = split_stem(network.stem)
    last_of_stem = [f"stem.{name}" for name, _ in layers.named_children()][-1:] or ["stem"]
    parts = [layers, *network.stages.children()]
    names = [*last_of_stem, *(f"stages.{index}" for index in range(len(network.stages)))]
    convolution = next(layer for layer in layers.modules() if isinstance(layer, nn.Conv2d))
    x = convolution.weight.new_empty(1, convolution.in_channels, SIDE_PIXELS, SIDE_PIXELS, device="meta")
    features: list[Feature] = []
    with torch.no_grad():
        for part, path in zip(parts, names, strict=True):
            x = deepcopy(part).to("meta").eval()(x)
            features.append(
                {"num_chs": x.shape[1], "reduction": round(SIDE_PIXELS / x.shape[-1]), "module": path}
            )
            if part is layers:
                x = pool(x)
    return features


def choose_indices(indices: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Return the indices, from 0, of the chosen features, as timm reads them.

    Args:
        indices: indices, of which negative ones count from the end; a number n means the last n, and None means all.
        count: the number of features that there are.

    Raises:
        UsageError: there is no feature of an index, or none is chosen.
    """
    if isinstance(indices, int | Integral):  # Numbers of NumPy are no int.
        indices = range(-int(indices), 0)
    chosen = range(count) if indices is None else [check_value("an index", index, int) for index in indices]
    if not len(chosen):
        raise UsageError(f"no feature is chosen; give indices from 0 to {count - 1}")
    for index in chosen:
        if not -count <= index < count:
            raise UsageError(
                f"there are {count} features, so their indices go from 0 to {count - 1}, not {index}"
            )
    return tuple(index % count for index in chosen)


def compute_features(
    network: Backbone, images: Tensor, indices: tuple[int, ...], norm: bool, last: int
) -> tuple[Tensor, list[Tensor]]:
    """Return the activations of the part number `last`, and those of the chosen parts in ascending order.

    Args:
        network: the network; of its stages those up to `last` are computed.
        images: (N, C, H, W).
        indices: the chosen parts; 0 is the stem and 1 the first stage.
        norm: whether the last stage's activations pass the network's final activation.
        last: the number of the part to end with.
    """
    layers, pool = split_stem(network.stem)
    x = layers(images)
    features = [x] if 0 in indices else []
    x = pool(x)
    for index, stage in enumerate(network.stages.children(), start=1):
        if index > last:
            break
        x = stage(x)
        if index in indices:
            is_final = index == len(network.stages)
            features.append(network.final_activation(x) if norm and is_final else x)
    return x, features


class FeaturePyramid(PartlyFrozen):
    """Return the activations of chosen parts of a network, such as a detector or a segmenter reads.

    It holds the modules of the network up to the last chosen part, under their own names, so that its state dict is
    a part of the network's.

    Attributes:
        out_channels: the number of channels of each.
    """

    def __init__(
        self, network: Backbone, out_indices: int | Sequence[int] | None = None, *, norm: bool = False
    ):
        """Take the parts of `network` that are needed.

        Args:
            network: what `resunit.create_model` returns; it stays as it is, and shares its layers.
            out_indices: 0 is the stem before its pooling, 1 the first stage and so on; a negative index counts from
                the end, a number n means the last n, and None means all.
            norm: whether the last stage's activations pass the network's final activation, as its classifier reads
                them. Those of a pre-activation network are neither normalised nor activated otherwise.

        Raises:
            UsageError: there is no part of an index.
        """
        super().__init__()
        features = describe_features(network)
        self.indices = tuple(sorted({*choose_indices(out_indices, len(features))}))
        self.norm = norm
        self.feature_info: list[Feature] = [features[index] for index in self.indices]
        self.out_channels = [feature["num_chs"] for feature in self.feature_info]
        last = self.indices[-1]
        self.stem, self.stages = network.stem, network.stages[:last]
        is_whole = last == len(network.stages)
        self.final_activation = network.final_activation if norm and is_whole else nn.Identity()
        kept = {"stem", "final_activation", *(f"stages.{index}" for index in range(last))}
        self.frozen = tuple(path for path in network.frozen if path in kept)
        self.training = self.stages.training = network.stages.training

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the activations (N, channels, H / reduction, W / reduction) of each chosen part."""
        return compute_features(self, images, self.indices, self.norm, len(self.stages))[1]
