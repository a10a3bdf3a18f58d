"""Batch norm and the activation after it as one autograd function, compiled for the CPU.

Only x is stored for the backward pass; everything else is computed again. For a batch norm and a ReLU torch reads
or writes the activations fourteen times, forward and backward, and stores two tensors; here it is eight times
and one tensor.
"""

import ctypes
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from resunit.ops.cpu.library import load_library
from resunit.ops.cpu.watched import needs_torch

Activation = Literal["identity", "relu", "gelu"]
CODES: dict[Activation, int] = {"identity": 0, "relu": 1, "gelu": 2}  # enum Activation in batch_norm.cpp
FUNCTIONS = {"identity": lambda z: z, "relu": functional.relu, "gelu": functional.gelu}


def can_compute(x: Tensor, norm: nn.BatchNorm2d) -> bool:
    """Return whether the kernel can compute `norm` of `x`, whose numbers it reads by their addresses.

    `x` is a plain channels-last tensor on the CPU; gamma, beta and the running statistics are float32 numbers, one
    a channel, side by side in memory.
    """
    return (
        type(x) is Tensor
        and x.is_cpu
        and x.ndim == 4
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.numel() > x.shape[1]  # The statistics need more than one number a channel.
        and norm.track_running_stats
        and type(norm.momentum) in (int, float)
        and all(is_column(numbers, x.shape[1]) for numbers in columns(norm))
        and load_library() is not None
    )


def columns(norm: nn.BatchNorm2d) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Return gamma, beta, the running mean and the running variance; None for what is not there or computed."""
    parameters, buffers = norm._parameters, norm._buffers
    return (
        parameters.get("weight"),
        parameters.get("bias"),
        buffers.get("running_mean"),
        buffers.get("running_var"),
    )


def is_column(numbers: Tensor | None, channels: int) -> bool:
    """Return whether `numbers` are `channels` float32 numbers side by side in the CPU's memory."""
    return (
        numbers is not None
        and type(numbers) in (nn.Parameter, Tensor)  # Other classes may hold their numbers elsewhere.
        and numbers.is_cpu
        and numbers.dtype is torch.float32
        and numbers.numel() == channels
        and numbers.is_contiguous()
    )


def batch_norm_act(x: Tensor, norm: nn.BatchNorm2d, activation: Activation) -> Tensor:
    """Return activation(norm(x)), (N, C, H, W) -> (N, C, H, W), and update the running statistics in training.

    Only for an `x` and a `norm` for which `can_compute` is true.
    """
    gamma, beta, mean, variance = columns(norm)
    assert gamma is not None
    assert beta is not None
    assert mean is not None
    assert variance is not None
    if norm.training:
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
        arguments = x, gamma, beta, (mean, variance), norm.momentum, norm.eps, activation
        return BatchNormFunction.apply(*arguments)  # pyright: ignore[reportReturnType]
    compute = compute_by_torch if torch.is_grad_enabled() else compute_by_kernel
    return compute(x, gamma, beta, mean, variance, norm.eps, activation)


def compute_by_torch(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    eps: float,
    act: Activation,
) -> Tensor:
    """Return act(BN(x)) by torch's own functions, with the batch's statistics unless `mean` and `var` are given."""
    return FUNCTIONS[act](functional.batch_norm(x, mean, var, gamma, beta, mean is None, eps=eps))


def compute_by_kernel(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, eps: float, act: Activation
) -> Tensor:
    """Return act(gamma (x - mean) / sqrt(variance + eps) + beta), without a graph."""
    y = torch.empty_like(x)
    load_functions().batch_norm_apply(
        x.data_ptr(), y.data_ptr(), gamma.data_ptr(), beta.data_ptr(), mean.data_ptr(), variance.data_ptr(),
        eps, *layout(x), CODES[act],
    )  # fmt: skip
    return y


class BatchNormFunction(Function):
    """Compute act(BN(x)) with the batch's statistics; move the given running statistics by `momentum`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        running: tuple[Tensor, Tensor] | None,
        momentum: float,
        eps: float,
        act: Activation,
    ) -> Tensor:
        """Return act(BN(x)) and store x for the backward pass."""
        y, mean, variance = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(gamma)
        addresses = (t.data_ptr() for t in (x, y, gamma, beta, mean, variance))
        tracked = (running[0].data_ptr(), running[1].data_ptr()) if running else (None, None)
        load_functions().batch_norm_forward(*addresses, *tracked, momentum, eps, *layout(x), CODES[act])
        ctx.save_for_backward(x, gamma, beta, mean, variance)
        ctx.eps, ctx.act = eps, act
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients to x, gamma and beta."""
        (dy,) = grad_outputs
        x, gamma, beta, mean, variance = ctx.saved_tensors
        if needs_torch(dy):
            return *gradients_by_torch(ctx, dy, x, gamma, beta), None, None, None, None
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, dgamma, dbeta = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(gamma)
        inputs = (t.data_ptr() for t in (x, dy, dx, gamma, beta, mean, variance))
        outputs = dgamma.data_ptr(), dbeta.data_ptr()
        load_functions().batch_norm_backward(*inputs, ctx.eps, *outputs, *layout(x), CODES[ctx.act])
        return dx, dgamma, dbeta, None, None, None, None


def gradients_by_torch(ctx: Any, dy: Tensor, x: Tensor, gamma: Tensor, beta: Tensor) -> list[Tensor | None]:
    """Return the gradients to x, gamma and beta by torch's own functions, which have gradients themselves."""
    needed = ctx.needs_input_grad[:3]
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        y = compute_by_torch(x, gamma, beta, None, None, ctx.eps, ctx.act)
    wanted = [tensor for tensor, need in zip((x, gamma, beta), needed, strict=True) if need]
    found = iter(torch.autograd.grad(y, wanted, dy, create_graph=create_graph))
    return [next(found) if need else None for need in needed]


def layout(x: Tensor) -> tuple[int, int, int]:
    """Return the rows and channels of `x` in memory, and whether its numbers are bf16."""
    return x.numel() // x.shape[1], x.shape[1], int(x.dtype == torch.bfloat16)


@cache
def load_functions() -> ctypes.CDLL:
    """Return the library of batch_norm.cpp, with the types of its functions' arguments; there must be one."""
    compiled = load_library()
    assert compiled is not None
    pointer, number, count = ctypes.c_void_p, ctypes.c_float, ctypes.c_int64
    compiled.batch_norm_apply.argtypes = [pointer] * 6 + [number] + [count] * 4
    compiled.batch_norm_forward.argtypes = [pointer] * 8 + [number] * 2 + [count] * 4
    compiled.batch_norm_backward.argtypes = [pointer] * 7 + [number] + [pointer] * 2 + [count] * 4
    for function in (compiled.batch_norm_apply, compiled.batch_norm_forward, compiled.batch_norm_backward):
        function.restype = None
    return compiled
