"""Convolutions in oneDNN's own layout, each with the activation or addition after it, for inference."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit
from resunit.ops.batch_norm_act import BatchNorm

OPERATORS = torch.ops.mkldnn  # those that torch.compile calls on a CPU
ACTIVATIONS = {nn.ReLU: "relu", nn.GELU: "gelu", nn.Identity: "none"}


def packs(device: torch.device) -> bool:
    """Has torch, on `device`, the convolutions of oneDNN that take packed weights?"""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(OPERATORS, "_convolution_pointwise")
    )


class PackedConvolution(nn.Module):
    """act(W x + b), or W x + b + `added`: (N, C, H, W) -> (N, C', H', W'), for inference on a CPU.

    x and `added` are cast to the weights' dtype, which the output has. The layout of the weights is chosen
    for the first x, and serves others too.
    """

    def __init__(self, conv: nn.Conv2d, activation: str):
        super().__init__()
        self.place = conv.padding, conv.stride, conv.dilation, conv.groups
        self.weight, self.bias, self.dtype = conv.weight, conv.bias, conv.weight.dtype
        self.packed: Tensor | None = None
        self.activation = activation

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        x = x.to(self.dtype)
        if self.packed is None:
            self.packed = OPERATORS._reorder_convolution_weight(self.weight, *self.place, x.shape)
        weights = self.packed, self.bias, *self.place
        if added is None:
            return OPERATORS._convolution_pointwise.default(x, *weights, self.activation, [], "none")
        added = added.to(self.dtype)
        return OPERATORS._convolution_pointwise.binary(x, added, *weights, "add", None, None, [], None)

    def __getstate__(self) -> dict[str, Any]:  # copies pack their own: torch cannot copy this layout
        return {**self.__dict__, "packed": None}

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class PackedUnit(nn.Module):
    """f(h(x) + F(x)), with the addition as part of the last convolution of F."""

    def __init__(self, unit: ResidualUnit, branch: list[nn.Module]):
        super().__init__()
        self.before, self.shortcut, self.after = unit.before, unit.shortcut, unit.after
        self.branch, self.last = nn.Sequential(*branch[:-1]), branch[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        return self.after(self.last(self.branch(x), self.shortcut(x)))


def packed(network: ResidualNetwork, dtype: torch.dtype = torch.float32) -> ResidualNetwork:
    """A copy of `network` for evaluation whose convolutions and linear layers compute in `dtype`.

    It computes what `network.eval()` does, under autocast where `dtype` is bf16; weights are cast once. One
    with code of somebody's own stays as it is, for autocast.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    if not has_own_code(network):
        pack(network, dtype)
    return network


def pack(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast convolutions and linear layers, and pack the convolutions, each with the activation after it."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    network.to(memory_format=torch.channels_last)
    if not packs(next(network.parameters()).device):
        return
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
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for name, module in list(sequence._modules.items()):
            if type(module) is nn.Identity:  # its call is a hundredth of a unit's time for one image
                del sequence._modules[name]


def has_own_code(network: nn.Module) -> bool:
    """Are there other classes than ours and torch's, or hooks? What these use of a layer, nobody can know."""
    return any(
        not type(module).__module__.startswith(("resunit.", "torch.nn."))
        or module._forward_hooks
        or module._forward_pre_hooks
        for module in network.modules()
    )


def join_additions(network: nn.Module) -> None:
    """Put packed units in the place of those that end in a packed convolution."""
    for parent in list(network.modules()):
        for name, unit in list(parent._modules.items()):
            if isinstance(unit, ResidualUnit) and (branch := ending_in_sum(unit)):
                setattr(parent, name, PackedUnit(unit, branch))


def ending_in_sum(unit: ResidualUnit) -> list[nn.Module] | None:
    """The layers of F, where the last is a convolution whose output is as large as the shortcut's."""
    if type(unit) is not ResidualUnit or type(unit.branch) is not nn.Sequential:
        return None
    layers = list(unit.branch)
    # Any other layer might pool: a smaller F would be added everywhere.
    plain = all(isinstance(layer, BatchNorm | nn.ReLU | nn.GELU) or keeps_size(layer) for layer in layers)
    joins = layers and isinstance(layers[-1], PackedConvolution) and layers[-1].activation == "none"
    return layers if plain and joins else None


def keeps_size(layer: nn.Module) -> bool:
    """Is it a packed convolution that changes height and width by its stride alone?"""
    if not isinstance(layer, PackedConvolution) or len(layer.weight) == 1:  # one channel goes everywhere too
        return False
    padding, _, dilation, _ = layer.place
    sides = zip(padding, dilation, layer.weight.shape[2:], strict=True)
    return all(2 * padded == apart * (side - 1) for padded, apart, side in sides)


def is_approximate(activation: nn.Module | None) -> bool:
    return isinstance(activation, nn.GELU) and activation.approximate != "none"
