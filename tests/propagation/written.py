"""Networks whose forward pass is a function that a test writes out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Forward = Callable[["Written", Tensor], Tensor]


class Written(nn.Module):
    """Some linear layers and parameters; `compute` is the forward pass."""

    def __init__(self, compute: Forward, layers: int = 2):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(layers))
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.matrix = nn.Parameter(torch.randn(4, 4))
        self.scale = nn.Parameter(torch.rand(8))
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)
