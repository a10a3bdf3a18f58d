"""The residual unit of He et al. 2016, Eqs. (1)-(2), and where its activations stand, Fig. 4.

    y_l = h(x_l) + F(x_l, W_l)        h: shortcut, F: branch
    x_{l+1} = f(y_l)                  f: activation after the addition

Other libraries call a residual unit a block. Activations are (N, C, H, W) throughout.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from resunit.models.options import StrideOn
from resunit.ops.batch_norm_act import LayerSequence
from resunit.ops.processor import is_safe_channels_last

BranchKind = Literal["one-layer", "basic", "bottleneck"]
Nonlinearity = Literal["relu", "gelu"]
PlacedLayer = Literal["norm", "relu"]
"""A layer of a `Placement`; "relu" stands for the network's nonlinearity, whichever it is."""
QUARTER = 0.25  # The share of a bottleneck's channels that its inner convolutions have in the paper.


class ResidualUnit(nn.Module):
    """Compute f(h(x) + F(x)): (N, C_in, H, W) -> (N, C_out, H / stride, W / stride).

    Args:
        branch: F, the residual function.
        shortcut: h; the identity if None, as in Eq. (3).
        after_addition: f; the identity if None.
        shared_preact: an activation before the split into two paths, as published pre-activation networks
            have it in units that change size; most units have none.

    Example:
        The unit of full pre-activation, Fig. 4(e), for 16 channels, written out. Its h and its f are the identity.

            ResidualUnit(
                branch=nn.Sequential(
                    nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False),
                    nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False),
                )
            )
    """

    def __init__(
        self,
        branch: nn.Module,
        shortcut: nn.Module | None = None,
        after_addition: nn.Module | None = None,
        shared_preact: nn.Module | None = None,
    ):
        super().__init__()
        self.shared_preact = nn.Identity() if shared_preact is None else shared_preact
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.branch = branch
        self.after_addition = nn.Identity() if after_addition is None else after_addition

    def forward(self, x: Tensor) -> Tensor:
        """Return x_{l+1} for x_l."""
        x = self.shared_preact(x)
        return self.after_addition(self.shortcut(x) + self.branch(x))


# Fig. 4, each placement as the layers of its branch and, behind the addition, of f:
#
#   (a) original                     conv norm relu conv norm      + relu
#   (b) BN after addition            conv norm relu conv           + norm relu
#   (c) ReLU before addition         conv norm relu conv norm relu +
#   (d) ReLU-only pre-activation     relu conv norm relu conv norm +
#   (e) full pre-activation          norm relu conv norm relu conv +
#
# An activation after the addition that only the next branch reads, Eq. (9), is the same as one that begins this
# branch, Fig. 5. So (d) and (e) keep the shortcut free of activations.


@dataclass(frozen=True)
class Placement:
    """Where the norms and nonlinearities of a unit stand, in order: one line of Fig. 4."""

    before_first_conv: tuple[PlacedLayer, ...]
    after_last_conv: tuple[PlacedLayer, ...]
    after_addition: tuple[PlacedLayer, ...]
    between_convs: tuple[PlacedLayer, ...] = ("norm", "relu")


ORIGINAL = Placement(before_first_conv=(), after_last_conv=("norm",), after_addition=("relu",))
BN_AFTER_ADDITION = Placement(before_first_conv=(), after_last_conv=(), after_addition=("norm", "relu"))
RELU_BEFORE_ADDITION = Placement(before_first_conv=(), after_last_conv=("norm", "relu"), after_addition=())
RELU_ONLY_PREACTIVATION = Placement(before_first_conv=("relu",), after_last_conv=("norm",), after_addition=())
FULL_PREACTIVATION = Placement(before_first_conv=("norm", "relu"), after_last_conv=(), after_addition=())
WITHOUT_NORM = Placement(  # De and Smith 2020
    before_first_conv=("relu",), after_last_conv=(), after_addition=(), between_convs=("relu",)
)

NONLINEARITIES: dict[Nonlinearity, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}


def activation(
    layers: Iterable[PlacedLayer], channels: int, nonlinearity: Nonlinearity = "relu"
) -> list[nn.Module]:
    """Return the modules for the `layers` of a `Placement`, for activations of `channels` channels."""
    return [
        nn.BatchNorm2d(channels) if layer == "norm" else NONLINEARITIES[nonlinearity]() for layer in layers
    ]


def branch(
    convolutions: list[nn.Conv2d],
    placement: Placement,
    nonlinearity: Nonlinearity = "relu",
    preact_is_shared: bool = False,
) -> nn.Module:
    """Return F: the convolutions with the layers of `placement` before, between and after them.

    `preact_is_shared` leaves out the layers before the first convolution, because they stand before the split.
    """
    layers: list[nn.Module] = []
    before = () if preact_is_shared else placement.before_first_conv
    for conv in convolutions:
        layers += [*activation(before, conv.in_channels, nonlinearity), *convolution_layers(conv)]
        before = placement.between_convs
    layers += activation(placement.after_last_conv, convolutions[-1].out_channels, nonlinearity)
    return chain(layers)


def weight_layers(
    kind: BranchKind,
    in_channels: int,
    out_channels: int,
    stride: int,
    stride_on: StrideOn = "3x3",
    bottleneck_ratio: float = QUARTER,
) -> list[nn.Conv2d]:
    """Return the convolutions of a branch.

    Args:
        kind: one 3x3 ("one-layer"), two 3x3 ("basic"), or 1x1, 3x3, 1x1 with fewer channels inside
            ("bottleneck").
        in_channels: channels of x_l.
        out_channels: channels of x_{l+1}.
        stride: the stride of the whole branch.
        stride_on: the convolution of a bottleneck that has the stride: the first 1x1 (resnet-1k-layers) or
            the 3x3 (fb.resnet.torch).
        bottleneck_ratio: the share of `out_channels` that the inner convolutions of a bottleneck have.
    """
    if kind == "one-layer":
        return [convolution(in_channels, out_channels, 3, stride)]
    if kind == "basic":
        return [convolution(in_channels, out_channels, 3, stride), convolution(out_channels, out_channels, 3)]
    inner = int(out_channels * bottleneck_ratio)
    return [
        convolution(in_channels, inner, 1, stride if stride_on == "1x1" else 1),
        convolution(inner, inner, 3, stride if stride_on == "3x3" else 1),
        convolution(inner, out_channels, 1),
    ]


def convolution(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Return a size x size convolution that keeps H and W at stride 1; it has no bias, because BN has one."""
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=False)


def convolution_layers(conv: nn.Conv2d) -> list[nn.Module]:
    """Return `conv`, or two layers that compute the same where oneDNN's gradient is not safe.

    The first layer is an average over windows of one pixel, which takes every stride-th pixel. The second one is
    `conv`, whose stride becomes 1.
    """
    if is_safe_channels_last(conv):
        return [conv]
    vertical, horizontal = conv.stride
    pixels = nn.AvgPool2d(1, (vertical, horizontal))  # The gradient of a slice would not be channels-last.
    conv.stride = (1, 1)
    return [pixels, conv]


def chain(parts: Iterable[nn.Module]) -> nn.Module:
    """Return `parts` one after another, named by kind and order: norm1, relu1, conv1, norm2, ...

    A sequence among the parts is replaced by its layers, and identities are left out. Without any layer the
    identity is returned.
    """
    kinds: dict[type[nn.Module], str] = {nn.Conv2d: "conv", nn.BatchNorm2d: "norm"}
    sequence = LayerSequence()
    counts: dict[str, int] = {}
    for part in parts:
        inner = list(part) if type(part) in (nn.Sequential, LayerSequence) else [part]  # pyright: ignore[reportArgumentType]
        for layer in inner:
            if isinstance(layer, nn.Identity):
                continue
            kind = kinds.get(type(layer), type(layer).__name__.lower())
            counts[kind] = counts.get(kind, 0) + 1
            sequence.add_module(f"{kind}{counts[kind]}", layer)
    return sequence if len(sequence) else nn.Identity()
