"""Batch norm and the activation after it as one autograd function: x is kept, the rest is computed again.

For a batch norm and a ReLU torch reads or writes a map fourteen times, forward and backward, and stores two;
here it is eight times, and only x is stored for this function's own use.
"""

import ctypes
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from resunit.ops.cpu.library import library

CODES = {"identity": 0, "relu": 1, "gelu": 2}  # enum Activation in batch_norm.cpp
FUNCTIONS = {"identity": lambda z: z, "relu": functional.relu, "gelu": functional.gelu}


def applies(x: Tensor, gamma: Tensor) -> bool:
    """Are these what the kernels take: plain channels-last maps on the CPU, outside of compilers?"""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and gamma.dtype == torch.float32
        and x.ndim == 4
        and x.numel() > x.shape[1]  # more than one number a channel
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        and not is_watched()
        and library() is not None
    )


def is_watched() -> bool:
    """Does somebody look at torch's functions, as `propagation` does? They shall see norm and activation."""
    return torch._C._is_torch_function_mode_enabled() and not all(
        isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack()
    )


def plain(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor | None, var: Tensor | None, eps: float, act: str
) -> Tensor:
    """act(BN(x)) by torch's own kernels, with the batch's statistics unless `mean` and `var` are given."""
    return FUNCTIONS[act](functional.batch_norm(x, mean, var, gamma, beta, mean is None, eps=eps))


def normalise(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, eps: float, act: str
) -> Tensor:
    """act(gamma (x - mean) / sqrt(variance + eps) + beta), without a graph."""
    y = torch.empty_like(x)
    functions()["batch_norm_apply"](
        x.data_ptr(), y.data_ptr(), gamma.data_ptr(), beta.data_ptr(), mean.data_ptr(), variance.data_ptr(),
        eps, *layout(x), CODES[act],
    )  # fmt: skip
    return y


class BatchNormFunction(Function):
    """act(BN(x)) with the batch's statistics; moves running mean and variance, where given, by `momentum`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gamma: Tensor,
        beta: Tensor,
        running: tuple[Tensor, Tensor] | None,
        momentum: float,
        eps: float,
        act: str,
    ) -> Tensor:
        y, mean, variance = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(gamma)
        addresses = (t.data_ptr() for t in (x, y, gamma, beta, mean, variance))
        tracked = (running[0].data_ptr(), running[1].data_ptr()) if running else (None, None)
        functions()["batch_norm_forward"](*addresses, *tracked, momentum, eps, *layout(x), CODES[act])
        ctx.save_for_backward(x, gamma, beta, mean, variance)
        ctx.eps, ctx.act = eps, act
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = grad_outputs
        x, gamma, beta, mean, variance = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient shall have gradients itself
            return *differentiable_gradients(ctx, dy, x, gamma, beta), None, None, None, None
        dy = dy.contiguous(memory_format=torch.channels_last)
        dx, dgamma, dbeta = torch.empty_like(x), torch.empty_like(gamma), torch.empty_like(gamma)
        inputs = (t.data_ptr() for t in (x, dy, dx, gamma, beta, mean, variance))
        outputs = dgamma.data_ptr(), dbeta.data_ptr()
        functions()["batch_norm_backward"](*inputs, ctx.eps, *outputs, *layout(x), CODES[ctx.act])
        return dx, dgamma, dbeta, None, None, None, None


def differentiable_gradients(
    ctx: Any, dy: Tensor, x: Tensor, gamma: Tensor, beta: Tensor
) -> list[Tensor | None]:
    needed = ctx.needs_input_grad[:3]
    y = plain(x, gamma, beta, None, None, ctx.eps, ctx.act)
    wanted = [tensor for tensor, need in zip((x, gamma, beta), needed, strict=True) if need]
    found = iter(torch.autograd.grad(y, wanted, dy, create_graph=True))
    return [next(found) if need else None for need in needed]


def layout(x: Tensor) -> tuple[int, int, int]:
    """Rows and channels of `x` in memory, and whether its numbers are bf16."""
    return x.numel() // x.shape[1], x.shape[1], int(x.dtype == torch.bfloat16)


@cache
def functions() -> dict[str, Any]:
    """The library's functions, told how to take their arguments."""
    compiled = library()
    pointer, number, count = ctypes.c_void_p, ctypes.c_float, ctypes.c_int64
    arguments = {
        "batch_norm_apply": [pointer] * 6 + [number] + [count] * 4,
        "batch_norm_forward": [pointer] * 8 + [number] * 2 + [count] * 4,
        "batch_norm_backward": [pointer] * 7 + [number] + [pointer] * 2 + [count] * 4,
    }
    for name, types in arguments.items():
        getattr(compiled, name).argtypes = types
        getattr(compiled, name).restype = None
    return {name: getattr(compiled, name) for name in arguments}
