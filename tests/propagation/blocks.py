"""Small transformer blocks of later papers, which differ in where the norm, the scale and the streams are."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from resunit.propagation import MixingStep

WIDTH, HEADS = 16, 2


class Attention(nn.Module):
    """Self-attention; `gain` multiplies the weights of values and outputs."""

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.queries_keys, self.values = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        scale_weights(gain, self.values, self.out)

    def forward(self, x: Tensor) -> Tensor:
        queries, keys = self.queries_keys(x).chunk(2, -1)
        heads = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in (queries, keys, self.values(x)))
        return self.out(functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class MLP(nn.Sequential):
    """A position-wise MLP; `gain` multiplies its weights."""

    def __init__(self, gain: float = 1.0):
        super().__init__(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
        layers = [layer for layer in self if isinstance(layer, nn.Linear)]
        scale_weights(gain, *layers)


def scale_weights(gain: float, *layers: nn.Linear) -> None:
    """Multiply the weights of layers by `gain`."""
    with torch.no_grad():
        for layer in layers:
            layer.weight.mul_(gain)


class PreLN(nn.Module):
    """x + F(LN(x)) (Xiong et al. 2020)."""

    def __init__(self, branch: nn.Module):
        super().__init__()
        self.norm, self.branch = nn.LayerNorm(WIDTH), branch

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(self.norm(x))


class PostLN(nn.Module):
    """LN(alpha x + F(x)): alpha = 1 in Vaswani et al. 2017."""

    def __init__(self, branch: nn.Module, alpha: float = 1.0):
        super().__init__()
        self.norm, self.branch, self.alpha = nn.LayerNorm(WIDTH), branch, alpha

    def forward(self, x: Tensor) -> Tensor:
        return self.norm((x if self.alpha == 1 else self.alpha * x) + self.branch(x))


def transformer(depth: int, sub_layer: Callable[[nn.Module], nn.Module], gain: float = 1.0) -> nn.Sequential:
    """Return `depth` blocks, each an attention and an MLP that `sub_layer` joins to the stream."""
    return nn.Sequential(*(sub_layer(branch(gain)) for _ in range(depth) for branch in (Attention, MLP)))


def deep_norm(depth: int) -> nn.Sequential:
    """Return Post-LN with alpha = (2 N)^(1/4), weights times (8 N)^(-1/4) (Wang et al. 2022)."""
    return transformer(depth, lambda branch: PostLN(branch, (2 * depth) ** 0.25), (8 * depth) ** -0.25)


def doubly_stochastic(logits: Tensor, iterations: int = 30) -> Tensor:
    """Return a matrix whose rows and columns sum to 1 (Sinkhorn and Knopp 1967)."""
    matrix = logits.exp()
    for _ in range(iterations):
        matrix = matrix / matrix.sum(-1, keepdim=True)
        matrix = matrix / matrix.sum(-2, keepdim=True)
    return matrix


class HyperConnection(nn.Module):
    """X -> M X + w F(LN(r X)) on n streams, (N, T, n, C) (Zhu et al. 2024).

    `constrained` keeps M doubly stochastic, so that no product of them grows (Xie et al. 2025).
    """

    def __init__(self, streams: int, constrained: bool, branch: nn.Module):
        super().__init__()
        self.mixing = nn.Parameter(torch.eye(streams) + 0.5 * torch.randn(streams, streams))
        self.read = nn.Parameter(torch.full((streams,), 1 / streams))
        self.write = nn.Parameter(torch.ones(streams))
        self.norm, self.branch = nn.LayerNorm(WIDTH), branch
        self.constrained = constrained

    def matrix(self) -> Tensor:
        return doubly_stochastic(self.mixing) if self.constrained else self.mixing

    def forward(self, streams: Tensor) -> Tensor:
        self.value = self.branch(self.norm(torch.einsum("n,btnc->btc", self.read, streams)))
        return torch.einsum("mn,btnc->btmc", self.matrix(), streams) + torch.einsum(
            "m,btc->btmc", self.write, self.value
        )


def step(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> MixingStep | None:
    """Return the step of a `HyperConnection`, as an adapter for `measure_mixing`."""
    if not isinstance(module, HyperConnection):
        return None
    return MixingStep(args[0], output, module.matrix(), module.write, module.value)


class HyperNetwork(nn.Module):
    """Copies an input (N, T, C) to n streams, mixes them `depth` times, and adds them up."""

    def __init__(self, depth: int, constrained: bool, streams: int = 4):
        super().__init__()
        self.streams = streams
        branches = [(Attention, MLP)[number % 2]() for number in range(depth)]
        self.connections = [HyperConnection(streams, constrained, branch) for branch in branches]
        self.layers = nn.Sequential(*self.connections)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.layer_norm(x, (WIDTH,))
        return self.layers(x[:, :, None].expand(-1, -1, self.streams, -1)).sum(2)
