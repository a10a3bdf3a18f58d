"""An instrument finds the junctions once, and measures each batch that it is given."""

import pytest
import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.models.residual_unit import ResidualUnit
from resunit.models.shortcuts import Scale
from resunit.propagation import Instrument, measure


def branch() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh())


def batch() -> Tensor:
    return torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def test_an_instrument_detects_once() -> None:
    model = nn.Sequential(*(ResidualUnit(branch()) for _ in range(3)))
    instrument = Instrument(model)
    first = instrument.measure(batch())
    detection = instrument.detection
    assert instrument.measure(batch()).to_json() == first.to_json()
    assert instrument.detection is detection
    assert len(instrument.measure(torch.randn(7, 8)).junctions) == 3  # another batch size
    with pytest.raises(PropagationError, match=r"\(7, 5\) float32"):
        instrument.measure(torch.randn(7, 5))


def test_an_instrument_measures_the_size_it_is_given() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(ResidualUnit(nn.Conv2d(4, 4, 3, padding=1)) for _ in range(2)))
    instrument = Instrument(model)
    instrument.measure(torch.randn(2, 4, 6, 6))
    images = torch.randn(3, 4, 8, 8)
    again, afresh = instrument.measure(images), measure(model, images)
    assert [junction.shape for junction in again.junctions] == [(3, 4, 8, 8)] * 2
    assert again.to_json() == afresh.to_json()


def test_an_instrument_follows_a_scale_that_changes() -> None:
    shortcut = Scale(0.5)
    instrument = Instrument(nn.Sequential(ResidualUnit(branch(), shortcut)))
    instrument.measure(batch())
    shortcut.scale = 0.25
    (junction,) = instrument.measure(batch()).junctions
    assert junction.effective_lambda == pytest.approx(0.25, rel=1e-6)
    assert junction.gradient_direct == pytest.approx(0.25, rel=1e-6)


class Droppable(nn.Module):
    """after(x + F(x)), or after(x) where it is dropped."""

    def __init__(self, shortcut: nn.Module, after: nn.Module):
        super().__init__()
        self.branch, self.shortcut, self.after = branch(), shortcut, after
        self.dropped = False

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x if self.dropped else self.shortcut(x) + self.branch(x))


@pytest.mark.parametrize("shortcut", [nn.Identity(), Scale(0.5)], ids=["identity", "scale"])
@pytest.mark.parametrize("after", [nn.Identity(), nn.ReLU()], ids=["nothing", "relu"])
def test_a_unit_that_a_pass_drops_has_no_numbers(shortcut: nn.Module, after: nn.Module) -> None:
    units = [Droppable(shortcut, after) for _ in range(3)]
    model = nn.Sequential(*units)
    instrument = Instrument(model)
    assert all(junction.stream_rms for junction in instrument.measure(batch()).junctions)
    units[1].dropped = True
    result = instrument.measure(batch())
    passed = [junction.stream_rms is not None for junction in result.junctions]
    assert passed == [True, False, True]
    dropped = result.junctions[1]
    assert dropped.gradient_gain is dropped.energy_cut is dropped.effective_lambda is None
    assert "this batch did not reach 1 of them" in result.findings[-1]
