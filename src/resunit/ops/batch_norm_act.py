"""Batch norm, with the activation that follows it where one does."""

from typing import Literal

import torch
from torch import Tensor, nn

from resunit.ops.cpu import batch_norm as kernels


class BatchNorm(nn.BatchNorm2d):
    """x -> act(BN(x)), (N, C, H, W) -> (N, C, H, W); parameters and buffers are those of nn.BatchNorm2d.

    `activation` is "identity", "relu" or "gelu". On a CPU both are one compiled function, equal to torch's
    pair but for rounding (GELU's distribution function: 1.5e-7); everywhere else they are torch's pair.
    """

    def __init__(self, channels: int, activation: Literal["identity", "relu", "gelu"] = "identity"):
        super().__init__(channels)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:  # torch's name for it
        x = input
        tracks = self.track_running_stats and self.momentum is not None
        if not (tracks and kernels.applies(x, self.weight)):
            return kernels.FUNCTIONS[self.activation](super().forward(x))
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        running = self.running_mean, self.running_var
        if self.training:
            self.num_batches_tracked.add_(1)
            arguments = x, self.weight, self.bias, running, self.momentum, self.eps, self.activation
            return kernels.BatchNormFunction.apply(*arguments)
        apply = kernels.plain if torch.is_grad_enabled() else kernels.normalise
        return apply(x, self.weight, self.bias, *running, self.eps, self.activation)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation}"
