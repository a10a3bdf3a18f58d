"""Muon with a learning rate on the device: torch's optimizer asks the host for it in each step."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Muon as TorchMuon


class Muon(TorchMuon):
    """Update matrices by their orthogonalised momentum, as torch.optim.Muon does (Jordan 2024).

    The learning rate of each group is a tensor with one number on the device of its matrices.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Apply the gradients; there is no closure."""
        assert closure is None
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                gradient = matrix.grad
                if gradient is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(gradient)
                average = state["momentum_buffer"]
                average.lerp_(gradient, 1 - momentum)
                update = _orthogonalise(
                    gradient.lerp(average, momentum),
                    group["ns_coefficients"],
                    group["ns_steps"],
                    group["eps"],
                )
                rows, columns = matrix.shape
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.addcmul_(update.to(matrix.dtype), rate * math.sqrt(max(1, rows / columns)), value=-1)


def _orthogonalise(
    matrix: Tensor, coefficients: Sequence[float], iterations: int, least_norm: float
) -> Tensor:
    """Return a bfloat16 matrix with the singular vectors of `matrix` (m x n) and singular values near 1.

    One iteration of Newton and Schulz is X <- aX + (bA + cA^2)X with A = XX^T; Jordan (2024) chose a, b and c.
    """
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if is_tall else matrix).bfloat16()
    x = x / x.norm().clamp(min=least_norm)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if is_tall else x
