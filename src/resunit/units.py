"""Residual units (He et al. 2016): y_l = h(x_l) + F(x_l), x_{l+1} = f(y_l).

A unit joins three parts that are chosen apart from each other: the shortcut h, the branch F and the
activation f after the addition. Feature maps are (N, C, H, W) throughout.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.batch_norm import BatchNorm

BranchKind = Literal["one-layer", "basic", "bottleneck"]
StrideOn = Literal["1x1", "3x3"]
Nonlinearity = Literal["relu", "gelu"]  # the paper's, and the recipe quick's
Layer = Literal["norm", "relu"]  # "relu" is the nonlinearity, whichever it is
NONLINEARITIES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class ResidualUnit(nn.Module):
    """x -> f(h(x) + F(x)), Eqs. (1)-(2): (N, C_in, H, W) -> (N, C_out, H/stride, W/stride).

    `branch` is F, `shortcut` is h and `after` is f; h and f default to the identity, the case of Eq. (3).
    `before` is an activation that both paths share, as published pre-activation networks have it where the
    size changes; most units have none.
    """

    def __init__(
        self,
        branch: nn.Module,
        shortcut: nn.Module | None = None,
        after: nn.Module | None = None,
        before: nn.Module | None = None,
    ):
        super().__init__()
        self.before = nn.Identity() if before is None else before
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.branch = branch
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        return self.after(self.shortcut(x) + self.branch(x))


@dataclass(frozen=True)
class Placement:
    """Where a unit's activations sit, Fig. 4.

    Each field lists layers in order: `first` opens the branch, `last` closes it, `after` follows the sum, and
    `between` stands between two weight layers, in the paper always norm and ReLU.
    """

    first: tuple[Layer, ...]
    last: tuple[Layer, ...]
    after: tuple[Layer, ...]
    between: tuple[Layer, ...] = ("norm", "relu")


ORIGINAL = Placement(first=(), last=("norm",), after=("relu",))  # Fig. 4(a)
BN_AFTER_ADDITION = Placement(first=(), last=(), after=("norm", "relu"))  # (b)
RELU_BEFORE_ADDITION = Placement(first=(), last=("norm", "relu"), after=())  # (c)
RELU_ONLY_PREACTIVATION = Placement(first=("relu",), last=("norm",), after=())  # (d)
FULL_PREACTIVATION = Placement(first=("norm", "relu"), last=(), after=())  # (e)
WITHOUT_NORM = Placement(first=("relu",), last=(), after=(), between=("relu",))  # De and Smith 2020


def activation(
    layers: Iterable[Layer], channels: int, nonlinearity: Nonlinearity = "relu"
) -> list[nn.Module]:
    """The `layers` of a `Placement` for maps of `channels` channels; a norm and its ReLU are one module."""
    modules: list[nn.Module] = []
    for layer in layers:
        if layer == "norm":
            modules.append(BatchNorm(channels))
        elif modules and isinstance(modules[-1], BatchNorm):
            modules[-1] = BatchNorm(channels, nonlinearity)
        else:
            modules.append(NONLINEARITIES[nonlinearity]())
    return modules


def chain(parts: Iterable[nn.Module]) -> nn.Module:
    """`parts` one after another, named by kind and order (norm1, conv1, norm2, ...).

    Chains within it dissolve, identities drop out; no parts are the identity.
    """
    kinds: dict[type[nn.Module], str] = {nn.Conv2d: "conv", BatchNorm: "norm"}
    sequence = nn.Sequential()
    count: Counter[str] = Counter()
    layers = (layer for part in parts for layer in (part if type(part) is nn.Sequential else [part]))
    for part in layers:
        if isinstance(part, nn.Identity):
            continue
        kind = kinds.get(type(part), type(part).__name__.lower())
        count[kind] += 1
        sequence.add_module(f"{kind}{count[kind]}", part)
    return sequence if len(sequence) else nn.Identity()


def convolution(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A size x size convolution that keeps H and W at stride 1; no bias, as batch norm has one."""
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=False)


def weight_layers(
    kind: BranchKind, in_channels: int, out_channels: int, stride: int, stride_on: StrideOn = "3x3"
) -> list[nn.Conv2d]:
    """A branch's convolutions: one 3x3, two 3x3 (basic), or 1x1-3x3-1x1 with a quarter of the width inside.

    `stride_on` places a bottleneck's stride: the first 1x1 (resnet-1k-layers) or the 3x3 (fb.resnet.torch).
    """
    if kind == "one-layer":
        return [convolution(in_channels, out_channels, 3, stride)]
    if kind == "basic":
        return [convolution(in_channels, out_channels, 3, stride), convolution(out_channels, out_channels, 3)]
    inner = out_channels // 4
    return [
        convolution(in_channels, inner, 1, stride if stride_on == "1x1" else 1),
        convolution(inner, inner, 3, stride if stride_on == "3x3" else 1),
        convolution(inner, out_channels, 1),
    ]


def branch(
    convolutions: list[nn.Conv2d],
    placement: Placement,
    nonlinearity: Nonlinearity = "relu",
    shared_first: bool = False,
) -> nn.Module:
    """F: the weight layers and the activations of `placement` around them (Fig. 4).

    `shared_first` leaves out the first activation, which then stands before the split into two paths.
    """
    parts: list[nn.Module] = []
    for index, layer in enumerate(convolutions):
        before = placement.between if index else () if shared_first else placement.first
        parts += [*activation(before, layer.in_channels, nonlinearity), layer]
    return chain(parts + activation(placement.last, convolutions[-1].out_channels, nonlinearity))


class Subsample(nn.Module):
    """Option A (He et al. 2015): every stride-th pixel, and zeros for the new channels; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(f"option A only widens: {in_channels} to {out_channels} channels needs option B")
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = functional.avg_pool2d(x, 1, self.stride)  # slices' gradients would leave channels-last memory
        return functional.pad(x, (0, 0, 0, 0, 0, self.new_channels))

    def extra_repr(self) -> str:
        return f"new_channels={self.new_channels}, stride={self.stride}"


def projection(in_channels: int, out_channels: int, stride: int, norm: bool, pool: bool = False) -> nn.Module:
    """A 1x1 convolution on the shortcut, followed by BN where BN follows every weight layer.

    `pool` averages over the stride instead of skipping pixels (option D of He et al. 2019).
    """
    parts: list[nn.Module] = [convolution(in_channels, out_channels, 1, 1 if pool else stride)]
    if pool and stride > 1:
        parts.insert(0, nn.AvgPool2d(stride, ceil_mode=True))
    return chain([*parts, BatchNorm(out_channels)] if norm else parts)


class Scale(nn.Module):
    """x -> scale * x with a constant scale, Eq. (6)."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


class Gate(nn.Module):
    """g(x) = sigmoid(W_g x + b_g), a 1x1 convolution: one gate value for each element of x (section 3.1)."""

    def __init__(self, channels: int, bias: float):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.conv.bias, bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(x))


class GatedShortcut(nn.Module):
    """h(x) = (1 - g(x)) x: the gate acts on the shortcut only (Fig. 2d)."""

    def __init__(self, gate: Gate):
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return (1 - self.gate(x)) * x


class ExclusivelyGatedUnit(nn.Module):
    """f((1 - g) h(x) + g F(x)): one gate, computed once, opens F as far as it closes h (Fig. 2c).

    The gate reads h(x), which is x but where the size changes, so that it fits both terms.
    """

    def __init__(
        self, branch: nn.Module, shortcut: nn.Module, gate: Gate, after: nn.Module, before: nn.Module
    ):
        super().__init__()
        self.before = before
        self.shortcut = shortcut
        self.gate = gate
        self.branch = branch
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        shortcut = self.shortcut(x)
        gate = self.gate(shortcut)
        return self.after((1 - gate) * shortcut + gate * self.branch(x))


class DropoutShortcut(nn.Module):
    """h(x) = dropout(x) (Fig. 2f).

    The paper drops without rescaling, so that the expectation acts as lambda = 1 - probability;
    `inverted` rescales the survivors by 1 / (1 - probability) instead, as torch does: expectation 1.
    """

    def __init__(self, probability: float, inverted: bool = False):
        super().__init__()
        self.probability = probability
        self.inverted = inverted

    def forward(self, x: Tensor) -> Tensor:
        x = functional.dropout(x, self.probability, self.training)
        return x if self.inverted else (1 - self.probability) * x

    def extra_repr(self) -> str:
        return f"probability={self.probability}, inverted={self.inverted}"


class LearnedScale(nn.Module):
    """x -> scale * x with a learned scale, of one value (channels = 1) or one for each channel."""

    def __init__(self, channels: int, initial_scale: float):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), initial_scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class StochasticDepth(nn.Module):
    """F(x), or nothing: in training the whole batch's branch survives with probability `survival`.

    Nothing is rescaled in training; in evaluation F is multiplied by `survival`, its expectation.
    """

    def __init__(self, survival: float):
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.survival * x
        return (torch.rand((), device=x.device) < self.survival) * x

    def extra_repr(self) -> str:
        return f"survival={self.survival}"
