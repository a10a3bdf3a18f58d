"""Synchronised batch norm: several processes normalise their parts of a batch by the statistics of all of it.

torch's SyncBatchNorm computes on GPUs alone. This one is made of torch's own functions and of two exchanges a
norm, one forward and one backward, so it runs on every device and in every precision.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def synchronised_batch_norms(network: nn.Module) -> Iterator[None]:
    """Normalise by the statistics of all ranks in every batch norm of `network` that is in training mode.

    All ranks must compute the same passes, forward and backward, within the context, each on equally many images.
    Outside of it the batch norms are what they were, so that one rank can compute alone.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.training and type(module).forward is _BatchNorm.forward
    ]
    for norm in norms:
        norm.forward = partial(normalise_synchronised, norm)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def normalise_synchronised(norm: _BatchNorm, x: Tensor) -> Tensor:
    """Return what a norm in training mode makes of this rank's part of a batch by the statistics of all parts.

    The norm is updated. `x` is (N, C, ...), equally large on all ranks.
    """
    normalised, mean, variance = Normalise.apply(x, norm.eps)  # pyright: ignore[reportGeneralTypeIssues]
    if norm.track_running_stats:
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        assert norm.momentum is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.add_(1)
        for running, new in ((norm.running_mean, mean), (norm.running_var, variance * (count / (count - 1)))):
            assert running is not None
            running.mul_(1 - norm.momentum).add_(new, alpha=norm.momentum)
    if norm.affine:
        normalised = normalised * as_channels(norm.weight, x) + as_channels(norm.bias, x)
    return normalised.to(x.dtype)


class Normalise(Function):
    """Compute (x - mean) / sqrt(variance + eps) with the mean and the variance over the parts x of all ranks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return the normalised part in at least float32, and the mean and the biased variance of the batch."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        own = torch.stack(torch.var_mean(wide, all_but_channels(x), correction=0))
        of_ranks = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(of_ranks, own)
        variances, means = torch.stack(of_ranks).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        scale = (variance + eps).rsqrt()
        normalised = (wide - as_channels(mean, x)) * as_channels(scale, x)
        ctx.save_for_backward(normalised, scale)
        ctx.mark_non_differentiable(mean, variance)
        ctx.dtype = x.dtype
        return normalised, mean, variance

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator hides the names
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor, None]:
        """Return the gradient to x of the sum of the ranks' losses."""
        gradient, _, _ = grad_outputs
        normalised, scale = ctx.saved_tensors
        places = all_but_channels(normalised)
        means = torch.stack([gradient.mean(places), (gradient * normalised).mean(places)])
        distributed.all_reduce(means)
        shift, slope = (as_channels(part, normalised) for part in means / distributed.get_world_size())
        centred = gradient - shift - normalised * slope
        return (centred * as_channels(scale, normalised)).to(ctx.dtype), None


def all_but_channels(x: Tensor) -> list[int]:
    """Return all dimensions of `x` (N, C, ...) but the second."""
    return [dimension for dimension in range(x.ndim) if dimension != 1]


def as_channels(numbers: Tensor, x: Tensor) -> Tensor:
    """Return `numbers` (C,) in a shape that is broadcast along the channels of `x` (N, C, ...)."""
    return numbers.view(1, -1, *[1] * (x.ndim - 2))
