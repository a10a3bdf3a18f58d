"""Convolutions of 3x3 with stride 1 as one autograd function, compiled for the CPU: fewer products for the same sums.

oneDNN, which torch calls, computes such a convolution by its definition, with 36 products for four numbers of the
output. Winograd's filtering F(2x2, 3x3) needs 16 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016). Both compute in fp32, and the result differs by rounding alone.
"""

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from resunit.ops.cpu.library import load_library
from resunit.ops.cpu.watched import needs_torch

TILES_PER_CHANNEL = 2
"""The tiles of 2x2 pixels for each channel from which on it pays to transform the weights."""
GEOMETRY = ((1, 1), (1, 1), (1, 1))  # stride, padding and dilation


def can_compute(x: Tensor, conv: nn.Conv2d) -> bool:
    """Return whether the kernel can compute `conv` of `x` in training, and is worth it.

    `x` is a plain channels-last tensor of float32 on the CPU; the convolution is one of 3x3 with stride 1, padding 1
    and no bias, whose channels fill whole registers. In evaluation oneDNN keeps weights in a layout of its own,
    which is as fast.
    """
    weight = conv._parameters.get("weight")
    return (
        conv.training
        and conv.kernel_size == (3, 3)
        and (conv.stride, conv.padding, conv.dilation) == GEOMETRY
        and conv.groups == 1
        and conv.bias is None
        and conv.padding_mode == "zeros"
        and type(x) is Tensor
        and x.is_cpu
        and x.ndim == 4
        and x.dtype is torch.float32
        and not torch.is_autocast_enabled("cpu")
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.shape[1] == conv.in_channels
        and type(weight) is nn.Parameter
        and weight.is_cpu
        and weight.dtype is torch.float32
        and has_enough_tiles(x, conv)
        and load_library() is not None
        and conv.in_channels % channels_together() == conv.out_channels % channels_together() == 0
    )


def has_enough_tiles(x: Tensor, conv: nn.Conv2d) -> bool:
    """Return whether the tiles of `x` are many enough for the number of channels."""
    images, _, height, width = x.shape
    tiles = images * ((height + 1) // 2) * ((width + 1) // 2)
    return tiles >= TILES_PER_CHANNEL * max(conv.in_channels, conv.out_channels)


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Return conv(x), (N, C, H, W) -> (N, C', H, W), for an `x` and a `conv` for which `can_compute` is true."""
    return ConvolutionFunction.apply(x, conv.weight)  # pyright: ignore[reportReturnType]


class ConvolutionFunction(Function):
    """Compute the convolution of x with a weight of 3x3, padding 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Return the convolution and store both for the backward pass."""
        ctx.save_for_backward(x, weight)
        return apply_kernel(x, weight)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the gradients to x and to the weight."""
        (dy,) = grad_outputs
        x, weight = ctx.saved_tensors
        needs_x, needs_weight = ctx.needs_input_grad
        if needs_torch(dy):
            return gradients_by_torch(dy, x, weight, needs_x, needs_weight)
        dy = dy.contiguous(memory_format=torch.channels_last)
        turned = weight.flip(2, 3).transpose(0, 1)  # The gradient to x is a convolution with this weight.
        return (
            apply_kernel(dy, turned) if needs_x else None,
            weight_gradient_by_kernel(x, dy, weight) if needs_weight else None,
        )


def apply_kernel(x: Tensor, weight: Tensor) -> Tensor:
    """Return the convolution of `x`, (N, C, H, W), with `weight`, (C', C, 3, 3)."""
    (images, _, height, width), outputs = x.shape, weight.shape[0]
    # The default type and device of the program that calls may be others than those of x.
    y = torch.empty(
        (images, outputs, height, width), memory_format=torch.channels_last, dtype=x.dtype, device=x.device
    )
    addresses = x.data_ptr(), weight.data_ptr(), y.data_ptr()
    load_functions().convolution_apply(*addresses, *layout(x, outputs), *weight.stride())
    return y


def weight_gradient_by_kernel(x: Tensor, dy: Tensor, weight: Tensor) -> Tensor:
    """Return the gradient to `weight`, (C', C, 3, 3)."""
    dweight = torch.empty_like(weight)
    addresses = x.data_ptr(), dy.data_ptr(), dweight.data_ptr()
    load_functions().convolution_weight_gradient(*addresses, *layout(x, dy.shape[1]), *dweight.stride())
    return dweight


def gradients_by_torch(
    dy: Tensor, x: Tensor, weight: Tensor, needs_x: bool, needs_weight: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients to x and to the weight by torch's own function, which has gradients itself."""
    needed = [needs_x, needs_weight, False]
    dx, dweight, _ = torch.ops.aten.convolution_backward(
        dy, x, weight, None, *GEOMETRY, False, (0, 0), 1, needed
    )
    return dx, dweight


def layout(x: Tensor, outputs: int) -> tuple[int, int, int, int, int]:
    """Return the images of `x`, their height and width, and the channels before and after the convolution."""
    images, inputs, height, width = x.shape
    return images, height, width, inputs, outputs


@cache
def channels_together() -> int:
    """Return the channels that one register of the kernel holds."""
    return load_functions().convolution_lanes()


@cache
def load_functions() -> ctypes.CDLL:
    """Return the library of convolution.cpp, with the types of its functions' arguments; there must be one."""
    compiled = load_library()
    assert compiled is not None
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    for function in (compiled.convolution_apply, compiled.convolution_weight_gradient):
        function.argtypes = [pointer] * 3 + [count] * 9
        function.restype = None
    return compiled
