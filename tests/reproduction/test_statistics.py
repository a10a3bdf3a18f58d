"""Welch's interval, the equivalence test and Holm's correction against numbers and formulas of others."""

import math

import pytest

from resunit.reproduction.claims.statistics import difference_p, equivalence_p, holm, welch
from tests.reproduction.welch_by_hand import p_above, p_below, p_similar


def test_two_samples_are_welchs_t_test() -> None:
    # Two of each with equal variance 1/2: t = -2 / sqrt(1/2) with 2 degrees of freedom, whose distribution is
    # 1/2 + t / (2 sqrt(2 + t^2)): the two-sided p is 1 - |t| / sqrt(2 + t^2), the 97.5 % point 4.30265.
    estimate = welch([1, -1], [[0.0, 1.0], [2.0, 3.0]])
    assert estimate is not None
    assert estimate.value == -2
    assert estimate.p == pytest.approx(1 - math.sqrt(8) / math.sqrt(10))
    assert estimate.high - estimate.value == pytest.approx(4.30265 * math.sqrt(0.5), rel=1e-5)


def test_the_interval_written_out_by_hand() -> None:
    # Means 2 and 5, variances 1 and 4 of three each: error^2 = 5/3, with
    # (5/3)^2 / (1/9/2 + 16/9/2) = 50/17 degrees of freedom.
    estimate = welch([-1, 1], [[1, 2, 3], [3, 5, 7]])
    assert estimate is not None
    assert estimate.value == 3
    reach = (estimate.high - estimate.low) / 2
    # The 97.5 % point of t with 50/17 = 2.94 degrees lies between those of 3 (3.182) and 2.5 (3.558) degrees.
    assert 3.182 < reach / math.sqrt(5 / 3) < 3.3
    assert (estimate.low + estimate.high) / 2 == pytest.approx(3)


def test_an_interaction_adds_up_variances_by_squared_coefficients() -> None:
    samples = [[1.0, 2.0, 3.0]] * 4
    four = welch([1, -1, -1, 1], samples)
    two = welch([1, -1], samples[:2])
    assert four is not None
    assert two is not None
    assert four.value == two.value == 0
    # Twice the variance with twice the degrees of freedom: t(8) = 2.306, t(4) = 2.776.
    assert four.high / two.high == pytest.approx(math.sqrt(2) * 2.306 / 2.776, rel=1e-3)


def test_what_does_not_vary_or_is_alone_cannot_be_tested() -> None:
    assert welch([1, -1], [[90.0, 90.0, 90.0], [90.0, 90.0, 90.0]]) is None
    assert welch([1, -1], [[1.0], [2.0, 3.0]]) is None


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.4])
def test_equivalence_is_two_one_sided_welch_tests(margin: float, shift: float) -> None:
    one, other = [6.1 + shift, 6.4 + shift, 6.9 + shift], [6.3, 6.2, 6.7, 6.6]
    estimate = welch([1, -1], [one, other])
    assert estimate is not None
    assert equivalence_p(estimate, margin) == pytest.approx(p_similar(one, other, margin))
    two_sided = 2 * min(p_above(one, other, margin), p_below(one, other, margin))
    assert difference_p(estimate, margin) == pytest.approx(two_sided)
    assert difference_p(estimate, 0.0) == pytest.approx(estimate.p)


def test_the_equivalence_test_is_the_90_percent_interval_within_the_margins() -> None:
    """Samples of two, with equal variances 1/2: two degrees of freedom, whose 95 % point is 2.91999."""
    estimate = welch([1, -1], [[0.0, 1.0], [0.0, 1.0]])
    assert estimate is not None
    reach = 2.91999 * math.sqrt(0.5)
    assert equivalence_p(estimate, reach) == pytest.approx(0.05, rel=1e-4)
    assert equivalence_p(estimate, 1.01 * reach) < 0.05 < equivalence_p(estimate, 0.99 * reach)


def test_holm_steps_down() -> None:
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert corrected == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.7, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}
