"""Batch norm, with the activation that follows it where one does."""

from typing import Literal

import torch
from torch import Tensor, nn

from resunit.kernels import batch_norm as kernels


class BatchNorm(nn.BatchNorm2d):
    """x -> act(BN(x)), (N, C, H, W) -> (N, C, H, W); parameters and buffers are those of nn.BatchNorm2d.

    `activation` is "identity", "relu" or "gelu". On a CPU both are one compiled function, equal to torch's
    pair but for rounding; everywhere else they are torch's pair.
    """

    def __init__(self, channels: int, activation: Literal["identity", "relu", "gelu"] = "identity"):
        super().__init__(channels)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:  # torch's name for it
        x = input
        if not kernels.applies(x, self.weight):
            return kernels.FUNCTIONS[self.activation](super().forward(x))
        if not self.training:
            return self.with_running_statistics(x)
        running, momentum = None, 0.0
        if self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            running = self.running_mean, self.running_var
            momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        arguments = x, self.weight, self.bias, running, momentum, self.eps, self.activation
        return kernels.BatchNormFunction.apply(*arguments)

    def with_running_statistics(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        apply = kernels.plain if torch.is_grad_enabled() else kernels.normalise
        parameters = self.weight, self.bias, self.running_mean, self.running_var
        return apply(x, *parameters, self.eps, self.activation)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, activation={self.activation}"
