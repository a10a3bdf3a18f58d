"""Small networks beside their twins, which hold the same layers in torch's own sequences."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from resunit.models.network import ResidualNetwork, build
from resunit.models.registry import network_spec
from resunit.ops.activation_checkpointing import Stage
from resunit.ops.batch_norm_act import LayerSequence
from tests.models.parts import draw_norms

NAMES = ["preresnet20", "resnet20"]
LAYOUTS = [
    torch.contiguous_format,
    torch.channels_last,  # the layout that our kernel computes
]


def network(name: str, layout: torch.memory_format = torch.channels_last, seed: int = 0) -> ResidualNetwork:
    """Return one of three units in evaluation mode, with norms that a mistake in their use would show."""
    torch.manual_seed(seed)
    model = build(replace(network_spec(name), depths=(1, 1, 1)))
    draw_norms(model)
    return model.to(memory_format=layout).eval()


def images(layout: torch.memory_format = torch.channels_last, count: int = 3) -> Tensor:
    """Return (count, 3, 8, 8) random images."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, 8, 8, generator=generator).contiguous(memory_format=layout)


def with_plain_layers(model: nn.Module) -> nn.Module:
    """Return a copy of `model` in which each sequence is torch's own."""
    model = deepcopy(model)
    found = True
    while found:  # Sequences stand within each other, and a replaced one may hold others.
        found = False
        for parent in list(model.modules()):
            for name, child in list(parent._modules.items()):
                if isinstance(child, LayerSequence | Stage):
                    plain = nn.Sequential().train(child.training)
                    plain._modules.update(child._modules)
                    setattr(parent, name, plain)
                    found = True
    return model
