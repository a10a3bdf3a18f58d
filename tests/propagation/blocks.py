"""Transformer blocks of later papers, small: where they put the norm, the scale and the streams."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import MixingStep

WIDTH = 16


class Branch(nn.Sequential):
    """A position-wise MLP, as in the blocks of Vaswani et al. 2017."""

    def __init__(self, last: float = 1.0):
        super().__init__(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        with torch.no_grad():
            for layer in (self[0], self[2]):
                layer.weight.mul_(last)


class PreLN(nn.Module):
    """x + F(LN(x)) (Xiong et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.branch = nn.LayerNorm(WIDTH), Branch()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(self.norm(x))


class PostLN(nn.Module):
    """LN(x + F(x)) (Vaswani et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.branch = nn.LayerNorm(WIDTH), Branch()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.branch(x))


class DeepNorm(nn.Module):
    """LN(alpha x + F(x)), alpha = (2 N)^(1/4), F's weights times (8 N)^(-1/4) (Wang et al. 2022)."""

    def __init__(self, depth: int):
        super().__init__()
        self.alpha = (2 * depth) ** 0.25
        self.norm, self.branch = nn.LayerNorm(WIDTH), Branch((8 * depth) ** -0.25)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.alpha * x + self.branch(x))


def doubly_stochastic(logits: Tensor, iterations: int = 30) -> Tensor:
    """Rows and columns that sum to 1, by Sinkhorn and Knopp 1967."""
    matrix = logits.exp()
    for _ in range(iterations):
        matrix = matrix / matrix.sum(-1, keepdim=True)
        matrix = matrix / matrix.sum(-2, keepdim=True)
    return matrix


class HyperConnection(nn.Module):
    """X -> M X + w F(LN(r X)) on n streams, (N, T, n, C) (Zhu et al. 2024).

    `constrained` keeps M doubly stochastic, so that no product of them grows (Xie et al. 2025).
    """

    def __init__(self, streams: int, constrained: bool):
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(streams) + 0.5 * torch.randn(streams, streams))
        self.read = nn.Parameter(torch.full((streams,), 1 / streams))
        self.write = nn.Parameter(torch.ones(streams))
        self.norm, self.branch = nn.LayerNorm(WIDTH), Branch()
        self.constrained = constrained

    def matrix(self) -> Tensor:
        return doubly_stochastic(self.mixing) if self.constrained else self.mixing

    def forward(self, streams: Tensor) -> Tensor:
        self.value = self.branch(self.norm(torch.einsum("n,btnc->btc", self.read, streams)))
        return torch.einsum("mn,btnc->btmc", self.matrix(), streams) + torch.einsum(
            "m,btc->btmc", self.write, self.value
        )


def step(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> MixingStep | None:
    """The adapter for `HyperConnection`."""
    if not isinstance(module, HyperConnection):
        return None
    return MixingStep(args[0], output, module.matrix(), module.write, module.value)


class HyperNetwork(nn.Module):
    """(N, T, C): copied to n streams, mixed `depth` times, added up."""

    def __init__(self, depth: int, constrained: bool, streams: int = 4):
        super().__init__()
        self.streams = streams
        self.layers = nn.Sequential(*(HyperConnection(streams, constrained) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.layer_norm(x, (WIDTH,))
        return self.layers(x[:, :, None].expand(-1, -1, self.streams, -1)).sum(2)
