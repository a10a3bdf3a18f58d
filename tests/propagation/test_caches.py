"""Measuring leaves what modules and callers keep between passes as it was."""

import pytest
import torch
from torch import nn

import resunit
from resunit.propagation import measure
from tests.propagation.toy import X


class Cache:
    """A cache of a class of its own, which the caller passes in or a module keeps."""

    __slots__ = ("kept", "length")

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []
        self.length = 0


class Remembers(nn.Module):
    """Keeps what it computes in attributes, containers and a cache that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = resunit.ResidualUnit(nn.Linear(8, 8))
        self.by_key: dict[str, torch.Tensor] = {}
        self.history: list[torch.Tensor] = []
        self.own = Cache()
        self.generator = torch.Generator().manual_seed(0)
        self.calls = 0

    def forward(self, x: torch.Tensor, cache: Cache, mask: torch.Tensor) -> torch.Tensor:
        for earlier in [*self.by_key.values(), *self.history, *cache.kept, *self.own.kept]:
            x = x + 0.5 * earlier
        y = self.unit(x * mask + torch.rand(8, generator=self.generator))
        mask.zero_()
        self.by_key["y"] = self.last = y
        self.history.append(y)
        for place in (cache, self.own):
            place.kept.append(y)
            place.length += 1
        self.calls += 1
        return y


def test_caches_of_modules_and_of_the_caller_are_as_before() -> None:
    model, cache, mask = Remembers(), Cache(), torch.ones(2, 8)
    generator = model.generator.get_state()
    first = measure(model, (X[:2], cache, mask)).junctions[0]
    assert (cache.kept, cache.length, model.own.kept, model.own.length) == ([], 0, [], 0)
    assert (model.by_key, model.history, model.calls) == ({}, [], 0)
    assert not hasattr(model, "last")
    assert torch.equal(mask, torch.ones(2, 8))
    assert torch.equal(model.generator.get_state(), generator)

    x = X[:2].clone().requires_grad_()
    drawn = torch.rand(8, generator=torch.Generator().manual_seed(0))
    start = x + drawn
    y = model.unit(start)
    at_y, at_x = torch.autograd.grad(y.square().mean(), [y, start])
    assert first.gradient_gain == pytest.approx((at_x.norm() / at_y.norm()).item(), rel=1e-5)


def test_a_filled_cache_of_a_frozen_network_has_no_gradients_afterwards() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias, self.layer = nn.Parameter(torch.randn(8)), nn.Linear(8, 8)
            self.biases: dict[str, torch.Tensor] = {}

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if "cpu" not in self.biases:
                self.biases["cpu"] = 2 * self.bias
            return x + self.layer(x) + self.biases["cpu"]

    model = Biased().requires_grad_(False)
    measure(model, X)
    assert not model(X).requires_grad
