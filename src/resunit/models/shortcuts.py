"""The shortcuts h of Fig. 2, what a shortcut does where the size changes, and later parts of a unit."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.models.residual_unit import chain, convolution
from resunit.ops.batch_norm_act import BatchNorm


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
