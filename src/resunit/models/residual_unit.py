"""Residual units (He et al. 2016): y_l = h(x_l) + F(x_l), x_{l+1} = f(y_l).

A unit joins three parts that are chosen apart from each other: the shortcut h, the branch F and the
activation f after the addition. Feature maps are (N, C, H, W) throughout.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from resunit.ops.batch_norm_act import BatchNorm

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
