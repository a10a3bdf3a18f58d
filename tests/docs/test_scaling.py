"""docs/scaling.md is what its command writes, and its figures follow from formulas written out here."""

import math

import pytest

from tools import scaling_plan
from tools.scaling_plan import Network, Step, best_interval, estimate_overhead, simulate_overhead

ROUND = Network("round", parameters=2**20 * 25, flops=10**10, norms=10, channels=1000)


@pytest.mark.full
def test_the_page_is_what_the_command_writes() -> None:
    assert scaling_plan.PAGE.read_text() == scaling_plan.page()


def test_a_ring_sends_each_number_nearly_twice() -> None:
    assert ROUND.gradient_bytes == 100 * 2**20
    assert Step(ROUND, 8).bytes_between_nodes == 0
    assert Step(ROUND, 8).bytes_in_node == pytest.approx(1.75 * ROUND.gradient_bytes)
    assert Step(ROUND, 512).bytes_between_nodes == pytest.approx(2 * 63 / 64 / 8 * ROUND.gradient_bytes)


def test_efficiency_falls_with_the_number_of_gpus() -> None:
    for one, other in ((8, 64), (64, 512)):
        for few, many in zip(Step(ROUND, one).efficiencies, Step(ROUND, other).efficiencies, strict=True):
            assert 0 < many < few < 1


def test_the_recommended_interval_loses_least() -> None:
    checkpoint, between = 5.0, 36_000.0
    best = best_interval(checkpoint, between)
    assert best == pytest.approx(600)
    for estimate in (estimate_overhead, simulate_overhead):
        least = estimate(best, checkpoint, between)
        assert all(estimate(best * factor, checkpoint, between) > least for factor in (0.25, 0.5, 2, 4))
    simulated = simulate_overhead(best, checkpoint, between)
    assert math.isclose(simulated, estimate_overhead(best, checkpoint, between), rel_tol=0.1)
