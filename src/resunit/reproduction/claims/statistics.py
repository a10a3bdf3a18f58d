"""Differences between means over seeds: Welch's interval and test, the equivalence test, Holm's correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from scipy.stats import nct as noncentral_student
from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A combination of means.

    Attributes:
        value: the combination.
        low: the lower end of its 95 % interval.
        high: the upper end of its 95 % interval.
        p: the two-sided p-value of the hypothesis that the combination is 0.
        error: the standard error of the combination.
        freedom: the degrees of freedom of the t distribution.
    """

    value: float
    low: float
    high: float
    p: float
    error: float
    freedom: float


def welch(coefficients: Sequence[float], samples: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the estimate of sum c_i mean_i over independent samples whose variances may differ (Welch 1947).

    With coefficients 1 and -1 it is Welch's t-test. The degrees of freedom are Satterthwaite's:
    (sum v_i)^2 / sum (v_i^2 / (n_i - 1)), with v_i = c_i^2 s_i^2 / n_i.

    Args:
        coefficients: the c_i.
        samples: the samples, in the order of the coefficients.

    Returns:
        The estimate; None if a sample has fewer than two values, or if nothing varies: then no test exists.
    """
    if any(len(sample) < 2 for sample in samples):
        return None
    value = sum(c * fmean(sample) for c, sample in zip(coefficients, samples, strict=True))
    parts = [c**2 * variance(sample) / len(sample) for c, sample in zip(coefficients, samples, strict=True)]
    if sum(parts) == 0:
        return None
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(sample) - 1) for part, sample in zip(parts, samples, strict=True)
    )
    error = math.sqrt(sum(parts))
    reach = error * float(student.ppf((1 + LEVEL) / 2, freedom))
    p = 2 * float(student.sf(abs(value) / error, freedom))
    return Estimate(value, value - reach, value + reach, p, error, freedom)


def pooled_deviation(samples: Sequence[Sequence[float]]) -> float | None:
    """Return the one standard deviation of samples whose means may differ; None if each has fewer than two values.

    It is the root of sum (n_i - 1) s_i^2 / sum (n_i - 1).
    """
    varying = [sample for sample in samples if len(sample) > 1]
    freedom = sum(len(sample) - 1 for sample in varying)
    if not freedom:
        return None
    return math.sqrt(sum((len(sample) - 1) * variance(sample) for sample in varying) / freedom)


def power(difference: float, deviation: float, seeds: int, level: float) -> float:
    """Return the probability that a two-sided t-test of two means shows the sign of their true difference.

    Args:
        difference: the true difference.
        deviation: the true standard deviation over seeds, above 0, of both.
        seeds: the values of each mean, at least 2.
        level: the level of the test.
    """
    freedom = 2 * (seeds - 1)
    needed = float(student.isf(level / 2, freedom))
    return float(noncentral_student.sf(needed, freedom, abs(difference) / (deviation * math.sqrt(2 / seeds))))


def equivalence_p(estimate: Estimate, margin: float) -> float:
    """Return the p-value of two one-sided tests (Schuirmann 1987): the larger of the two.

    It is small if the combination is surely above -margin and surely below +margin, where `margin` is above 0.
    """
    return float(student.sf((margin - abs(estimate.value)) / estimate.error, estimate.freedom))


def difference_p(estimate: Estimate, bound: float) -> float:
    """Return the two-sided p-value of the hypothesis that the combination is `bound`; with 0 it is `estimate.p`."""
    return 2 * float(student.sf(abs(estimate.value - bound) / estimate.error, estimate.freedom))


def holm(p_values: Mapping[Any, float]) -> dict[Any, float]:
    """Return the p-values corrected for how many they are (Holm 1979), by the same names.

    The i-th smallest of m p-values is multiplied by m - i + 1; no corrected value is below an earlier one.
    """
    corrected, most = {}, 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        most = max(most, min(1.0, (len(p_values) - number) * p_values[name]))
        corrected[name] = most
    return corrected
