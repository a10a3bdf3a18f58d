"""The number of convolutions that a spec gives is that of the network."""

import pytest
import torch
from torch import nn

from resunit.interop.fitting import convolutions
from resunit.interop.registry import LIBRARIES
from resunit.models.network import NetworkSpec, build

SPECS = {
    f"{library} {name}": LIBRARIES[library].architectures[name].spec
    for library, name in [
        ("timm", "resnet26t"),
        ("timm", "resnetv2_18d"),
        ("pytorchcv", "preresnet50"),
        ("torch-resnet", "PreActResNet20"),
        ("akamaster", "resnet20"),
    ]
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())
def test_the_number_of_convolutions(spec: NetworkSpec) -> None:
    with torch.device("meta"):
        network = build(spec)
    assert convolutions(spec) == sum(isinstance(layer, nn.Conv2d) for layer in network.modules())
