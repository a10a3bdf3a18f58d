"""A network to join two values in, and what is detected in a network."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.propagation import Instrument
from resunit.propagation.detect.sites import Detection


def detected(model: nn.Module, inputs: Any) -> Detection:
    instrument = Instrument(model)
    try:
        return instrument.detect(inputs)
    except PropagationError:
        assert instrument.detection is not None  # the pass went well; it shows no junction
        return instrument.detection


def kinds(model: nn.Module, inputs: Any) -> dict[str, int]:
    return dict(Counter(site.kind for site in detected(model, inputs).sites))


class Toy(nn.Module):
    """A square map of 8 channels between two values, joined by a function of both."""

    def __init__(self, join: Any):
        super().__init__()
        self.map = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.low, self.high = nn.Parameter(torch.ones(2, 8)), nn.Parameter(torch.ones(8, 2))
        self.scale = nn.Parameter(torch.full((8,), 0.5))
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self, torch.tanh(x))
