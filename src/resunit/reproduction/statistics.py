"""Differences between means over seeds: Welch's interval and test, Holm's correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from scipy.stats import t as student

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A combination of means, its 95 % interval, and the two-sided p-value of its being 0."""

    value: float
    low: float
    high: float
    p: float


def welch(coefficients: Sequence[float], samples: Sequence[Sequence[float]]) -> Estimate | None:
    """Estimate sum c_i mean_i of independent samples whose variances may differ (Welch 1947).

    With coefficients 1 and -1 it is Welch's t-test. Degrees of freedom by Satterthwaite:
    (sum v_i)^2 / sum (v_i^2 / (n_i - 1)), with v_i = c_i^2 s_i^2 / n_i.
    None where a sample has fewer than two values, or where nothing varies, so that nothing can be tested.
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
    return Estimate(value, value - reach, value + reach, 2 * float(student.sf(abs(value) / error, freedom)))


def holm(p_values: Mapping[Any, float]) -> dict[Any, float]:
    """p-values corrected for being many (Holm 1979): the i-th smallest of m times m - i + 1, not falling."""
    corrected, most = {}, 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        most = max(most, min(1.0, (len(p_values) - number) * p_values[name]))
        corrected[name] = most
    return corrected
