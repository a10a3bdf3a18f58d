"""Convolutions in oneDNN's own layout, each with the activation or addition after it, for inference."""

import warnings
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from resunit.models.network import ResidualNetwork
from resunit.models.residual_unit import ResidualUnit
from resunit.ops.batch_norm_act import LayerSequence, is_plain
from resunit.ops.processor import onednn_takes_bf16

OPERATORS = torch.ops.mkldnn  # These are the operators that torch.compile calls on a CPU.
ACTIVATIONS = {nn.ReLU: "relu", nn.GELU: "gelu"}


def has_packed_convolutions(device: torch.device) -> bool:
    """Return whether torch has, on `device`, the convolutions of oneDNN that take packed weights."""
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and hasattr(OPERATORS, "_convolution_pointwise")
    )


class PrecisionWarning(RuntimeWarning):
    """The processor cannot compute in the type that was asked for."""


def runnable_dtype(network: nn.Module, dtype: torch.dtype) -> torch.dtype:
    """Return `dtype`, or float32 with one warning where the processor has no bf16 convolutions."""
    on_cpu = next(network.parameters()).device.type == "cpu"
    if dtype is torch.bfloat16 and on_cpu and not onednn_takes_bf16():
        warnings.warn(
            "this processor has no bf16 convolutions: the network computes in float32 instead",
            PrecisionWarning,
            stacklevel=3,
        )
        return torch.float32
    return dtype


class PackedConvolution(nn.Module):
    """Compute act(W x + b), or W x + b + `added`: (N, C, H, W) -> (N, C', H', W'), for inference on a CPU.

    x and `added` are cast to the weights' type, which the output has. The layout of the weights is chosen
    for the first x and serves others too.
    """

    def __init__(self, conv: nn.Conv2d, activation: str):
        super().__init__()
        self.place = conv.padding, conv.stride, conv.dilation, conv.groups
        self.weight, self.bias, self.dtype = conv.weight, conv.bias, conv.weight.dtype
        self.packed: Tensor | None = None
        self.activation = activation

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """Return the convolution of x, with the activation, or plus `added`."""
        x = x.to(self.dtype)
        if self.packed is None:
            self.packed = OPERATORS._reorder_convolution_weight(self.weight, *self.place, x.shape)
        weights = self.packed, self.bias, *self.place
        if added is None:
            return OPERATORS._convolution_pointwise.default(x, *weights, self.activation, [], "none")
        added = added.to(self.dtype)
        return OPERATORS._convolution_pointwise.binary(x, added, *weights, "add", None, None, [], None)

    def __getstate__(self) -> dict[str, Any]:  # A copy packs its own weights: torch cannot copy this layout.
        return {**self.__dict__, "packed": None}

    def extra_repr(self) -> str:
        """Return the activation for the printed module."""
        return f"activation={self.activation}"


class PackedUnit(nn.Module):
    """Compute f(h(x) + F(x)), with the addition as part of the last convolution of F."""

    def __init__(self, unit: ResidualUnit, branch: list[nn.Module]):
        super().__init__()
        self.shared_preact, self.shortcut = unit.shared_preact, unit.shortcut
        self.branch, self.last_conv = LayerSequence(*branch[:-1]), branch[-1]
        self.after_addition = unit.after_addition

    def forward(self, x: Tensor) -> Tensor:
        """Return x_{l+1} for x_l."""
        x = self.shared_preact(x)
        return self.after_addition(self.last_conv(self.branch(x), self.shortcut(x)))


def copy_packed(network: ResidualNetwork, dtype: torch.dtype = torch.float32) -> ResidualNetwork:
    """Return a copy of `network` for evaluation whose convolutions and linear layers compute in `dtype`.

    It computes what `network.eval()` does, under autocast where `dtype` is bf16; weights are cast once. A
    network with a class that is neither ours nor torch's is only copied, and computes under autocast as it is.
    """
    network = deepcopy(network).eval().requires_grad_(False)
    if not has_foreign_code(network):
        pack(network, runnable_dtype(network, dtype))
    return network


def pack(network: nn.Module, dtype: torch.dtype) -> None:
    """Cast convolutions and linear layers, and pack the convolutions, each with the activation after it."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    network.to(memory_format=torch.channels_last)
    if not has_packed_convolutions(next(network.parameters()).device):
        return
    for parent in list(network.modules()):
        for name, following in pairwise([*parent._modules, None]):
            assert name is not None
            conv = parent._modules.get(name)
            if type(conv) is not nn.Conv2d or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
                continue
            after = parent._modules[following] if following and isinstance(parent, nn.Sequential) else None
            activation = "none" if is_approximate(after) else ACTIVATIONS.get(type(after), "none")
            setattr(parent, name, PackedConvolution(conv, activation))
            if following and activation != "none":
                del parent._modules[following]


def has_foreign_code(network: nn.Module) -> bool:
    """Return whether `network` has hooks or a foreign class, which may use a layer in any way."""
    return bool(_has_any_global_hook()) or any(
        not type(module).__module__.startswith(("resunit.", "torch.nn.")) or not is_plain(module)
        for module in network.modules()
    )


def join_additions(network: nn.Module) -> None:
    """Replace each unit whose branch ends in a packed convolution by a packed unit."""
    for parent in list(network.modules()):
        for name, unit in list(parent._modules.items()):
            if isinstance(unit, ResidualUnit) and (branch := find_layers_ending_in_sum(unit)):
                setattr(parent, name, PackedUnit(unit, branch))


def find_layers_ending_in_sum(unit: ResidualUnit) -> list[nn.Module] | None:
    """Return the layers of F if the last one is a convolution whose output is as large as the shortcut's."""
    if type(unit) is not ResidualUnit or not isinstance(unit.branch, nn.Sequential):
        return None
    layers = list(unit.branch)
    # Any other layer might pool, and a smaller F would be added at every place.
    plain = all(
        isinstance(layer, nn.BatchNorm2d | nn.ReLU | nn.GELU) or keeps_size(layer) for layer in layers
    )
    joins = layers and isinstance(layers[-1], PackedConvolution) and layers[-1].activation == "none"
    return layers if plain and joins else None


def keeps_size(layer: nn.Module) -> bool:
    """Return whether `layer` is a packed convolution that changes H and W by its stride alone."""
    # The addition would broadcast a single channel over all channels.
    if not isinstance(layer, PackedConvolution) or len(layer.weight) == 1:
        return False
    padding, _, dilation, _ = layer.place
    sides = zip(padding, dilation, layer.weight.shape[2:], strict=True)
    return all(2 * padded == apart * (side - 1) for padded, apart, side in sides)


def is_approximate(activation: nn.Module | None) -> bool:
    """Return whether `activation` is a GELU computed by an approximation, which oneDNN does not know."""
    return isinstance(activation, nn.GELU) and activation.approximate != "none"
