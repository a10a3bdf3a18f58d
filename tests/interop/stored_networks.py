"""Weights files of small networks with random statistics, because means of 0 and variances of 1 hide mistakes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from resunit.data import Normalisation
from resunit.data import load as load_data
from resunit.models.network import NetworkSpec, ResidualNetwork, build
from resunit.models.registry import network_spec
from resunit.models.weights import write_weights
from tests.interop.parity import draw

CLASSES = tuple(load_data("cifar10-sample").classes)


def small(name: str = "resnet20", **options: Any) -> NetworkSpec:
    """The spec of a network with one unit a stage, which has each kind of unit that the larger one has."""
    spec = network_spec(name, num_classes=len(CLASSES), **options)
    return replace(spec, depths=tuple(1 for _ in spec.depths))


def store(
    path: Path,
    spec: NetworkSpec,
    *,
    side: int = 32,
    normalisation: Normalisation | None = None,
    **result: Any,
) -> ResidualNetwork:
    """Write random weights of `spec`, and return the network in evaluation mode."""
    torch.manual_seed(0)
    network = build(spec)
    draw(network)
    normalisation = normalisation or Normalisation.of_imagenet()
    write_weights(
        path,
        network,
        spec,
        classes=CLASSES,
        preprocessing={"image_size": side, "normalisation": normalisation.to_json()},
        result={"data": "cifar10-sample", **result},
    )
    return network.eval().requires_grad_(False)


def images(count: int = 3, side: int = 32) -> Tensor:
    """Random images (N, 3, H, W) uint8."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, side, side), generator=generator, dtype=torch.uint8)
