"""Muon with a learning rate on the device: torch's optimizer asks the host for it in each step."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Muon as TorchMuon
from torch.optim._muon import _zeropower_via_newtonschulz


class Muon(TorchMuon):
    """Update matrices by their orthogonalised momentum, as torch.optim.Muon does (Jordan 2024).

    The learning rate of each group is a tensor with one number on the device of its matrices.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Apply the gradients; there is no closure."""
        assert closure is None
        for group in self.param_groups:
            matrices: list[torch.Tensor] = []
            gradients: list[torch.Tensor] = []
            momenta: list[torch.Tensor] = []
            self._init_group(group, matrices, gradients, momenta)
            rate, momentum = group["lr"], group["momentum"]
            for matrix, gradient, average in zip(matrices, gradients, momenta, strict=True):
                average.lerp_(gradient, 1 - momentum)
                update = gradient.lerp(average, momentum)
                update = _zeropower_via_newtonschulz(
                    update, group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                rows, columns = matrix.shape
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.addcmul_(update.to(matrix.dtype), rate * math.sqrt(max(1, rows / columns)), value=-1)
