"""Residual networks that are drawn at random: what h, F and f are, and how their sum is written."""

import math
from collections.abc import Callable, Sequence
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

SIZE = 8  # of the last dimension; values are (4, 6, SIZE)
Terms = list[Tensor]


class Parts(nn.Module):
    """The layers and parameters that a unit may use."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(SIZE, SIZE) for _ in range(6))
        self.norm = nn.LayerNorm(SIZE)
        self.conv = nn.Conv1d(SIZE, SIZE, 3, padding=1)
        self.attention = nn.MultiheadAttention(SIZE, 2, batch_first=True)
        self.matrix = nn.Parameter(torch.randn(SIZE, SIZE) / math.sqrt(SIZE))
        self.scalar = nn.Parameter(torch.tensor(0.7))
        self.vector = nn.Parameter(0.5 + torch.rand(SIZE))
        self.mask: Tensor
        self.blur: Tensor
        self.register_buffer("mask", (torch.rand(4, 6, SIZE) < 0.8) / 0.8)
        self.register_buffer("blur", 0.8 * torch.eye(SIZE) + 0.05 * torch.rand(SIZE, SIZE))


Function = Callable[[Parts, Tensor], Tensor]

# Multiples of x.
MULTIPLES: dict[str, Function] = {
    "x": lambda _, x: x,
    "0.5 x": lambda _, x: 0.5 * x,
    "x / 2": lambda _, x: x / 2,
    "learned scalar": lambda m, x: m.scalar * x,
    "learned vector": lambda m, x: x * m.vector,
    "squashed scalar": lambda m, x: torch.sigmoid(m.scalar) * x,
    "clone": lambda _, x: x.clone(),
    "in another precision": lambda _, x: x.to(torch.float64),
}
# Other functions of x without a layer.
OPERATIONS: dict[str, Function] = {
    "mean": lambda _, x: 0.25 * x.mean(-1, keepdim=True).expand_as(x),
    "rolled": lambda _, x: 0.5 * x.roll(1, 1),
    "flipped": lambda _, x: 0.3 * x.flip(-1),
    "pooled": lambda _, x: 0.4 * functional.avg_pool1d(x, 3, 1, 1),
    "masked": lambda m, x: x * m.mask,
    "mixed": lambda m, x: x @ m.blur,
    "einsum": lambda m, x: torch.einsum("btc,dc->btd", x, m.blur),
    "leaky": lambda _, x: torch.where(x > 0, x, 0.1 * x),
    "shuffled": lambda _, x: torch.cat(x.chunk(2, -1)[::-1], -1),
    "centred": lambda _, x: x - 0.5 * x.mean(1, keepdim=True),
    "lerp": lambda _, x: torch.lerp(x, x.roll(1, 1), 0.25),
    "cumulative": lambda _, x: 0.2 * x.cumsum(1),
    "normalised": lambda _, x: x / (1 + x.norm(dim=-1, keepdim=True)),
    "padded": lambda _, x: functional.pad(x[..., :6], (1, 1)),
    "dropout in evaluation": lambda _, x: 0.9 * functional.dropout(x.roll(2, 1), 0.5, training=False),
    "interpolated": lambda _, x: functional.interpolate(functional.avg_pool1d(x, 2), scale_factor=2.0),
}
# Functions with layers, which can only stand for h.
GATES_AND_PROJECTIONS: dict[str, Function] = {
    "gate": lambda m, x: torch.sigmoid(m.layers[5](x)) * x,
    "closing gate": lambda m, x: x * (1 - torch.sigmoid(m.layers[5](x))),
    "projection": lambda m, x: m.layers[5](x),
    "projection and norm": lambda m, x: m.norm(m.layers[5](x)),
}


def attend(m: Parts, x: Tensor) -> Tensor:
    return m.attention(x, x, x, need_weights=False)[0]


def gated_units(m: Parts, x: Tensor) -> Tensor:
    value, gate = torch.cat([m.layers[0](x), m.layers[1](x)], -1).chunk(2, -1)
    return m.layers[2](value * torch.sigmoid(gate))


# Every branch has two layers with an activation in between.
BRANCHES: dict[str, Function] = {
    "mlp": lambda m, x: m.layers[1](torch.tanh(m.layers[0](x))),
    "norm first": lambda m, x: m.layers[1](functional.gelu(m.layers[0](m.norm(x)))),
    "norm last": lambda m, x: 0.3 * m.norm(m.layers[1](torch.relu(m.layers[0](x)))),
    "conv": lambda m, x: m.layers[0](torch.relu(m.conv(x.mT).mT)),
    "attention": lambda m, x: m.layers[0](torch.tanh(attend(m, x))),
    "gated units": gated_units,
    "scaled by a scalar": lambda m, x: m.scalar * m.layers[1](torch.tanh(m.layers[0](x))),
    "scaled by a vector": lambda m, x: m.vector * m.layers[3](torch.tanh(m.layers[2](x))),
    "gated": lambda m, x: torch.sigmoid(m.layers[2](x)) * torch.tanh(m.layers[0](x)),
    "one layer twice": lambda m, x: m.layers[0](torch.tanh(m.layers[0](x))),
    "einsum": lambda m, x: torch.einsum("btc,cd->btd", torch.tanh(m.layers[0](x)), m.matrix),
    "checkpoint": lambda m, x: checkpoint(
        lambda v: m.layers[1](torch.tanh(m.layers[0](v))), x, use_reentrant=False
    ),
    "masked": lambda m, x: m.mask * m.layers[3](torch.tanh(m.layers[0](x))),
    "chunks": lambda m, x: torch.cat(
        [m.layers[1](torch.tanh(m.layers[0](part))) for part in x.chunk(2, 0)], 0
    ),
    "where": lambda m, x: torch.where(m.mask > 0, m.layers[1](torch.tanh(m.layers[0](x))), 0),
}
AFTER: dict[str, Function] = {
    "nothing": lambda _, y: y,
    "relu": lambda _, y: torch.relu(y),
    "norm": lambda m, y: m.norm(y),
    "transposed twice": lambda _, y: y.mT.contiguous().mT,
}


def attend_with_positions(m: Parts, x: Tensor) -> Tensor:
    query, key = m.layers[0](x), m.layers[1](x)
    return (query @ key.mT + query @ m.matrix[:6].mT).softmax(-1) @ m.layers[2](x)


def root_mean_square(m: Parts, x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * m.vector


def normalise_by_hand(m: Parts, x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt() * m.vector + m.scalar


def mix_experts(m: Parts, x: Tensor) -> Tensor:
    weights = torch.softmax(m.layers[0](x), -1)
    return weights[..., :1] * torch.tanh(m.layers[1](x)) + weights[..., 1:2] * torch.tanh(m.layers[2](x))


def low_rank_update(m: Parts, x: Tensor) -> Tensor:
    base = m.layers[0](x)
    update = functional.linear(functional.linear(x, m.matrix[:2]), m.matrix[:, :2])
    return base + ((m.vector - 1) * base + m.vector * update)


def recur(m: Parts, x: Tensor) -> Tensor:
    gate, value = torch.sigmoid(m.layers[0](x)), m.layers[1](x)
    state, states = torch.zeros_like(x[:, 0]), []
    for step in range(x.shape[1]):
        state = gate[:, step] * state + (1 - gate[:, step]) * value[:, step]
        states.append(state)
    return torch.stack(states, 1)


def rotate(m: Parts, x: Tensor) -> Tensor:
    query, angles = m.layers[0](x), m.vector.detach()
    return query * angles.cos() + query.roll(4, -1) * angles.sin()


# What comes before the units adds, and has no junction.
BEFORE: dict[str, Function] = {
    "nothing": lambda _, x: x,
    "a layer": lambda m, x: torch.relu(m.layers[0](x)),
    "positions": lambda m, x: x + m.vector,
    "gated units": gated_units,
    "token shift": lambda m, x: x * m.vector + functional.pad(x, (0, 0, 1, -1)) * (1 - m.vector),
    "root mean square": root_mean_square,
    "norm by hand": normalise_by_hand,
    "gelu by hand": lambda _, x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.045 * x**3))),
    "attention with positions": attend_with_positions,
    "rotary positions": rotate,
    "experts": mix_experts,
    "low-rank update": low_rank_update,
    "recurrence": recur,
    "mix of shifts": lambda m, x: m.vector[0] * x + m.vector[1] * x.flip(1),
}


def plus(a: Tensor, b: Tensor) -> Tensor:
    return a + b


def in_place(a: Tensor, b: Tensor) -> Tensor:
    a += b
    return a


def accumulated(a: Tensor, b: Tensor) -> Tensor:
    total = torch.zeros_like(a)
    for term in (a, b):
        total += term
    return total


def summed(a: Tensor, b: Tensor) -> Tensor:
    """Python's sum begins with 0."""
    total = sum([sum([a]), b])
    assert isinstance(total, Tensor)
    return total


def by_index(a: Tensor, b: Tensor) -> Tensor:
    return a.index_add(0, torch.arange(len(a)), b)


# How two terms are added.
ADDING: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a + b": plus,
    "torch.add": torch.add,
    "alpha": lambda a, b: torch.add(a, 2 * b, alpha=0.5),
    "a - -b": lambda a, b: a - (-b),
    "in place": in_place,
    "add_": lambda a, b: a.add_(b),
    "sum": summed,
    "accumulated": accumulated,
    "addcmul": lambda a, b: torch.addcmul(a, b, torch.ones(SIZE)),
    "transposed": lambda a, b: (a.mT + b.mT).mT,
    "flat": lambda a, b: (a.reshape(24, SIZE) + b.reshape(24, SIZE)).view(a.shape),
    "index_add": by_index,
    "scatter_add": lambda a, b: a.scatter_add(-1, torch.arange(SIZE).expand(4, 6, SIZE), b),
    "addcdiv": lambda a, b: torch.addcdiv(a, 2 * b, torch.ones(SIZE), value=0.5),
    "baddbmm": lambda a, b: torch.baddbmm(a, b, torch.eye(SIZE, dtype=a.dtype).expand(4, SIZE, SIZE)),
    "for each": lambda a, b: torch._foreach_add([a], [b])[0],  # pyright: ignore[reportPrivateImportUsage]
}
# These keep a sum of three terms in one piece. They may multiply the term that is added to the sum so far.
OF_THREE = ("a + b", "torch.add", "alpha", "a - -b", "in place", "add_", "sum")


class RandomUnit(nn.Module):
    """A unit f(h(x) + F(x)) whose parts and spelling are drawn.

    Args:
        draw: the source of the choices.
        after: the name of f.
    """

    def __init__(self, draw: Random, after: str):
        super().__init__()
        self.parts = Parts()
        branches = draw.sample(sorted(BRANCHES), draw.choice((1, 1, 1, 2)))
        shortcuts = draw.choice(
            (
                [draw.choice(sorted(MULTIPLES))],
                [draw.choice(sorted(OPERATIONS))],
                [draw.choice(sorted(GATES_AND_PROJECTIONS))],
                [draw.choice(sorted(MULTIPLES)), draw.choice(sorted(OPERATIONS))],
                draw.sample(sorted(OPERATIONS), 2),
            )
        )
        self.h: Sequence[Function] = [(MULTIPLES | OPERATIONS | GATES_AND_PROJECTIONS)[s] for s in shortcuts]
        self.f: Sequence[Function] = [BRANCHES[name] for name in branches]
        self.after = AFTER[after]
        count = len(shortcuts) + len(branches)
        self.order = draw.sample(range(count), count)
        self.adding = [draw.choice(sorted(ADDING) if count == 2 else OF_THREE) for _ in range(count - 1)]
        is_gate_added = "gate" in shortcuts[0] and self.order == [1, 0]
        if is_gate_added and self.adding == ["baddbmm"]:
            self.adding = ["a + b"]  # A gate that goes through a matrix is no gate to the instrument.
        self.to_the_right = draw.random() < 0.5
        self.described = f"h = {shortcuts}, F = {branches}, {self.order} {self.adding}, f = {after}" + (
            ", added from the right" if self.to_the_right else ""
        )

    def shortcut(self, x: Tensor) -> Tensor:
        """Return h(x)."""
        return sum((h(self.parts, x) for h in self.h[1:]), self.h[0](self.parts, x))

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x)."""
        return sum((f(self.parts, x) for f in self.f[1:]), self.f[0](self.parts, x))

    def forward(self, x: Tensor) -> Tensor:
        terms = [function(self.parts, x) for function in (*self.h, *self.f)]
        y, *others = (terms[index].clone() for index in self.order)  # The sum may be made in place.
        for term, name in zip(others, self.adding, strict=True):
            y = plus(term, y) if self.to_the_right and name == "a + b" else ADDING[name](y, term)
        return self.after(self.parts, y)


class RandomNetwork(nn.Module):
    """Random units with one f behind something that adds and is no unit.

    Args:
        seed: it determines the choices and the weights.
        count: the number of units.
    """

    def __init__(self, seed: int, count: int = 3):
        super().__init__()
        draw = Random(seed)
        torch.manual_seed(seed)
        before, after = draw.choice(sorted(BEFORE)), draw.choice(sorted(AFTER))
        self.parts, self.before = Parts(), BEFORE[before]
        self.units = [RandomUnit(draw, after) for _ in range(count)]
        self.all_units = nn.ModuleList(self.units)
        self.described = "\n".join([f"seed {seed}", before, *(unit.described for unit in self.units)])

    def stem(self, x: Tensor) -> Tensor:
        """Return the value that the first unit takes."""
        return self.before(self.parts, x)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for unit in self.units:
            x = unit(x)
        return x
