"""The direct term between any two junctions of a stage, Eq. (8), repeats the measured pass."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from resunit.errors import PropagationError
from resunit.models.residual_unit import ResidualUnit
from resunit.propagation import measure
from resunit.propagation.measures.direct_between import CHANGED
from tests.propagation.toy import X, scaled_network


def test_direct_between_two_junctions_of_equation_8() -> None:
    result = measure(scaled_network(0.5, 6), X)
    for l in range(6):  # noqa: E741 - the paper's letter
        for later in range(l + 1, 6):
            assert result.direct(l, later) == pytest.approx(0.5 ** (later - l), rel=1e-5)


def test_direct_runs_one_pass_for_each_later_junction() -> None:
    passes = 0  # It is no attribute of the model, because the measurement puts attributes back.

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = scaled_network(0.5, 6)

        def forward(self, x: Tensor) -> Tensor:
            nonlocal passes
            passes += 1
            return self.network(x)

    result = measure(Counted(), X)
    before = passes
    result.direct(0, 5)
    result.direct(1, 5)
    result.direct(4, 5)
    assert passes == before + 1
    result.direct(0, 4)
    assert passes == before + 2


def test_direct_repeats_the_dropout_that_was_measured() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(*(ResidualUnit(nn.Linear(8, 8), nn.Dropout(0.5)) for _ in range(3)))
    state = torch.get_rng_state()
    result = measure(model, X)
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(7)
    between = [result.direct(number, 2) for number in range(2)]
    torch.set_rng_state(state)
    again = measure(model, X)
    assert between == [again.direct(number, 2) for number in range(2)]


@pytest.mark.parametrize(("l", "later"), [(3, 1), (2, 2), (0, 9), (-1, 2), (0, 4)])
def test_no_two_junctions_of_one_stage(l: int, later: int) -> None:  # noqa: E741
    network = nn.Sequential(*scaled_network(0.5, 4), nn.Linear(8, 8), *scaled_network(0.5, 2))
    result = measure(network, X)
    assert [junction.stage for junction in result.junctions] == [1, 1, 1, 1, 2, 2]
    with pytest.raises(PropagationError):
        result.direct(l, later)


@pytest.mark.parametrize("number", [2.0, 0.5, "2", None])
def test_what_is_no_whole_number_is_refused(number: Any) -> None:
    with pytest.raises(PropagationError, match=f"^{number!r} "):
        measure(scaled_network(0.5, 4), X).direct(0, number)


def test_whole_numbers_of_numpy_and_torch_count_as_numbers() -> None:
    result = measure(scaled_network(0.5, 4), X)
    assert result.direct(np.int64(0), torch.tensor(2)) == result.direct(0, 2)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("factor", [2, 1 + 1e-6])
def test_direct_refuses_a_network_that_has_changed(factor: float) -> None:
    """A training step of a small learning rate changes the gradient by less than its rounding."""
    model = scaled_network(0.5, 3)
    result = measure(model, X)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    with pytest.raises(PropagationError, match=CHANGED):
        result.direct(0, 2)


def test_direct_refuses_a_batch_that_has_changed() -> None:
    batch = X.clone()
    result = measure(scaled_network(0.5, 3), batch)
    batch.mul_(1 + 1e-6)
    with pytest.raises(PropagationError, match=CHANGED):
        result.direct(0, 2)


def test_direct_goes_on_after_other_passes_through_the_network() -> None:
    """In training mode a pass moves running statistics, which nothing depends on."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(ResidualUnit(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))) for _ in range(3))
    )
    result = measure(model, X)
    model(2 * X)
    measure(model, 3 * X).direct(0, 1)
    assert result.direct(0, 2) == pytest.approx(1, rel=1e-6)
