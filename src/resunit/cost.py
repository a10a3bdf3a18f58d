"""What a network costs, counted from shapes on the meta device: nothing is computed."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resunit.models import NetworkSpec, build


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(spec: NetworkSpec, image_size: int) -> int:
    """Multiply-adds of convolutions and linear layers for one image, forward."""
    with torch.device("meta"):
        model = build(spec).eval()
        image = torch.empty(1, spec.in_channels, image_size, image_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() // 2


def training_flops(spec: NetworkSpec, image_size: int) -> int:
    """Floating-point operations to train on one image: convolutions and linear layers, 2 per multiply-add.

    Forward, gradient to the inputs and gradient to the weights: three times the forward count, but twice for
    the first layer, whose input needs no gradient, and once for a whitening stem, which has none at all.
    """
    with torch.device("meta"):
        model = build(spec)
        images = torch.empty(2, spec.in_channels, image_size, image_size)
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return counter.get_total_flops() // 2
