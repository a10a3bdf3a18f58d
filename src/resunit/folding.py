"""Batch norm folded into the convolution before it, and the activation computed with it, for inference."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from resunit.batch_norm import BatchNorm
from resunit.models import ResidualNetwork
from resunit.units import NONLINEARITIES


def folded(network: ResidualNetwork, dtype: torch.dtype = torch.float32) -> ResidualNetwork:
    """A copy of `network` for evaluation, with every batch norm folded that directly follows a convolution.

    The outputs are those of `network.eval()` but for rounding. In a pre-activation unit that leaves the first
    batch norm of each branch, which reads the sum. Weights of convolutions and of the classifier become
    `dtype`, and so must the images given to it. On a CPU, convolutions keep their weights in the layout that
    oneDNN computes with, and the activation after a convolution is part of it.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for name, following in pairwise(list(sequence._modules)):
            conv, norm = sequence.get_submodule(name), sequence.get_submodule(following)
            # A subclass of the convolution may use its weights otherwise.
            if type(conv) is nn.Conv2d and isinstance(norm, BatchNorm):
                setattr(sequence, name, fuse_conv_bn_eval(conv, norm))
                activation = NONLINEARITIES.get(norm.activation, nn.Identity)
                setattr(sequence, following, activation())
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    network = network.to(memory_format=torch.channels_last)
    if packs(next(network.parameters()).device):
        pack(network)
    return network


def packs(device: torch.device) -> bool:
    """Has torch, on `device`, the convolutions of oneDNN that take packed weights?"""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(OPERATORS, "_convolution_pointwise")
    )


OPERATORS = torch.ops.mkldnn  # those that torch.compile calls on a CPU
ACTIVATIONS = {nn.ReLU: "relu", nn.GELU: "gelu", nn.Identity: "none"}


class PackedConvolution(nn.Module):
    """act(W x + b), (N, C, H, W) -> (N, C', H', W'), for inference on a CPU.

    The layout of the weights is chosen for the first x, and serves others too.
    """

    def __init__(self, conv: nn.Conv2d, activation: str):
        super().__init__()
        self.place = conv.padding, conv.stride, conv.dilation, conv.groups
        self.weight, self.bias = conv.weight, conv.bias
        self.packed: Tensor | None = None
        self.activation = activation, [], "none"

    def forward(self, x: Tensor) -> Tensor:
        if self.packed is None:
            self.packed = OPERATORS._reorder_convolution_weight(self.weight, *self.place, x.shape)
        return OPERATORS._convolution_pointwise(x, self.packed, self.bias, *self.place, *self.activation)

    def extra_repr(self) -> str:
        return f"activation={self.activation[0]}"


def is_approximate(activation: nn.Module | None) -> bool:
    return isinstance(activation, nn.GELU) and activation.approximate != "none"


def pack(network: nn.Module) -> None:
    """Put packed convolutions in the place of all others, each with the activation that follows it."""
    for parent in list(network.modules()):
        for name, following in pairwise([*parent._modules, None]):
            assert name is not None
            conv = parent._modules[name]
            if type(conv) is not nn.Conv2d or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
                continue
            after = parent._modules[following] if following and isinstance(parent, nn.Sequential) else None
            activation = "none" if is_approximate(after) else ACTIVATIONS.get(type(after), "none")
            setattr(parent, name, PackedConvolution(conv, activation))
            if following and activation != "none":
                setattr(parent, following, nn.Identity())
