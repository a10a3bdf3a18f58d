"""Small networks whose junctions are known, and what is detected in a network."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import Scale
from resunit.propagation import Instrument
from resunit.propagation.detect.found_junction import Detection

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def detected(model: nn.Module, inputs: Any) -> Detection:
    """Return the detection, of a network without junctions as well."""
    instrument = Instrument(model)
    try:
        return instrument.detect(inputs)
    except PropagationError:
        assert instrument.detection is not None, "the pass fails"
        return instrument.detection


def kinds(model: nn.Module, inputs: Any) -> dict[str, int]:
    """Return how many junctions of each kind are found."""
    return dict(Counter(junction.kind for junction in detected(model, inputs).junctions))


def scaled_network(scale: float, depth: int = 18) -> nn.Sequential:
    """Return `depth` units of 8 channels with h(x) = scale x."""
    return nn.Sequential(
        *(ResidualUnit(nn.Linear(8, 8), Scale(scale) if scale != 1 else None) for _ in range(depth))
    )


def known(value: float | None) -> float:
    """Return a measure that must be there."""
    assert value is not None
    return value


def units_of(model: nn.Sequential) -> list[ResidualUnit]:
    """Return the layers of a network that consists of residual units."""
    assert all(isinstance(unit, ResidualUnit) for unit in model)
    return [unit for unit in model if isinstance(unit, ResidualUnit)]


class Toy(nn.Module):
    """Two maps of 8 channels and some parameters; `join` makes the output of them and of the input."""

    def __init__(self, join: Callable[["Toy", Tensor], Tensor]):
        super().__init__()
        self.map = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.low, self.high = nn.Parameter(torch.ones(2, 8)), nn.Parameter(torch.ones(8, 2))
        self.scale = nn.Parameter(torch.full((8,), 0.5))
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self, torch.tanh(x))
