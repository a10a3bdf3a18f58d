"""The shortcuts h of Fig. 2, what a shortcut does where the size changes (options A to D), and later parts."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.models.residual_unit import chain, convolution, convolution_layers


class Subsample(nn.Module):
    """Option A (He et al. 2015): keep every stride-th pixel and pad zeros for new channels; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        if out_channels < in_channels:
            raise ValueError(
                f"shortcut option A adds channels and drops none: {in_channels} to {out_channels} needs option B"
            )
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + new_channels, H / stride, W / stride) for (N, C, H, W)."""
        x = functional.avg_pool2d(x, 1, self.stride)  # The gradient of a slice would not be channels-last.
        return functional.pad(x, (0, 0, 0, 0, 0, self.new_channels))

    def extra_repr(self) -> str:
        """Return the sizes for the printed module."""
        return f"new_channels={self.new_channels}, stride={self.stride}"


def projection(in_channels: int, out_channels: int, stride: int, norm: bool, pool: bool = False) -> nn.Module:
    """Return a 1x1 convolution for the shortcut: options B and C, and D if pixels are pooled.

    Args:
        in_channels: channels of x_l.
        out_channels: channels of h(x_l).
        stride: by how much H and W shrink.
        norm: whether BN follows the convolution, as it then follows every weight layer of the unit.
        pool: whether pixels are averaged over the stride instead of skipped: option D (He et al. 2019).
    """
    parts = convolution_layers(convolution(in_channels, out_channels, 1, 1 if pool else stride))
    if pool and stride > 1:
        parts.insert(0, nn.AvgPool2d(stride, ceil_mode=True))
    return chain([*parts, nn.BatchNorm2d(out_channels)] if norm else parts)


class Scale(nn.Module):
    """Multiply x by a constant, Eq. (6)."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return scale * x."""
        return self.scale * x

    def extra_repr(self) -> str:
        """Return the scale for the printed module."""
        return f"scale={self.scale}"


class Gate(nn.Module):
    """Compute g(x) = sigmoid(W_g x + b_g) by a 1x1 convolution: one gate value for each element of x (section 3.1)."""

    def __init__(self, channels: int, bias: float):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        nn.init.constant_(self.conv.bias, bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        """Return g(x), of the shape of x."""
        return torch.sigmoid(self.conv(x))


class GatedShortcut(nn.Module):
    """Compute h(x) = (1 - g(x)) x: the gate acts on the shortcut only (Fig. 2d)."""

    def __init__(self, gate: Gate):
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        """Return h(x), of the shape of x."""
        return (1 - self.gate(x)) * x


class ExclusivelyGatedUnit(nn.Module):
    """Compute f((1 - g) h(x) + g F(x)): one gate opens F as far as it closes h (Fig. 2c).

    The gate reads h(x), which is x except where the size changes, so the gate has the shape of both terms.
    """

    def __init__(
        self,
        branch: nn.Module,
        shortcut: nn.Module,
        after_addition: nn.Module,
        shared_preact: nn.Module,
        *,
        gate: Gate,
    ):
        super().__init__()
        self.shared_preact = shared_preact
        self.shortcut = shortcut
        self.gate = gate
        self.branch = branch
        self.after_addition = after_addition

    def forward(self, x: Tensor) -> Tensor:
        """Return x_{l+1} for x_l."""
        x = self.shared_preact(x)
        shortcut = self.shortcut(x)
        gate = self.gate(shortcut)
        return self.after_addition((1 - gate) * shortcut + gate * self.branch(x))


class DropoutShortcut(nn.Module):
    """Compute h(x) = dropout(x) (Fig. 2f).

    The paper drops without rescaling, so that the expectation acts as lambda = 1 - probability. `inverted`
    divides the values that are kept by 1 - probability instead, as torch does, which makes the expectation 1.
    """

    def __init__(self, probability: float, inverted: bool = False):
        super().__init__()
        self.probability = probability
        self.inverted = inverted

    def forward(self, x: Tensor) -> Tensor:
        """Return h(x), of the shape of x."""
        x = functional.dropout(x, self.probability, self.training)
        return x if self.inverted else (1 - self.probability) * x

    def extra_repr(self) -> str:
        """Return the options for the printed module."""
        return f"probability={self.probability}, inverted={self.inverted}"


class LearnedScale(nn.Module):
    """Multiply x by a learned scale, of one value (channels = 1) or one for each channel."""

    def __init__(self, channels: int, initial_scale: float):
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), initial_scale))

    def forward(self, x: Tensor) -> Tensor:
        """Return scale * x."""
        return self.scale * x


class StochasticDepth(nn.Module):
    """Return F(x) or zero: in training F(x) of the whole batch is kept with the probability `survival`.

    Nothing is rescaled in training; in evaluation F(x) is multiplied by `survival`, its expectation.
    """

    def __init__(self, survival: float):
        super().__init__()
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        """Return the branch's output, kept, dropped, or scaled."""
        if not self.training:
            return self.survival * x
        return (torch.rand((), device=x.device) < self.survival) * x

    def extra_repr(self) -> str:
        """Return the survival for the printed module."""
        return f"survival={self.survival}"
