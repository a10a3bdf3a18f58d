"""A trained first convolution for images with another number of channels."""

import torch
from torch import Tensor, nn

from resunit.io.fields import annotations_of, check_value
from resunit.models.network import NetworkSpec


def adapt_input(stem: nn.Module, in_channels: int) -> None:
    """Give the first convolution of `stem` weights for images with `in_channels` channels, as timm does.

    Raises:
        UsageError: `in_channels` is not a number of channels.
    """
    check_value("in_channels", in_channels, annotations_of(NetworkSpec)["in_channels"])
    conv = next(module for module in stem.modules() if isinstance(module, nn.Conv2d))
    weight = conv.weight
    with torch.no_grad():
        conv.weight = nn.Parameter(for_channels(weight, in_channels), requires_grad=weight.requires_grad)
    conv.in_channels = in_channels


def for_channels(weight: Tensor, channels: int) -> Tensor:
    """Return filters (C_out, C, k, k) for images with another number of channels.

    For one channel, the filters of all channels are added up, so that a grey image gives what it gave as a colour
    image. Otherwise the filters are repeated or left out until their number is right, and scaled so that their sum
    keeps its size.
    """
    stored = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    repeated = weight.repeat(1, -(-channels // stored), 1, 1)[:, :channels]
    return repeated * (stored / channels)
