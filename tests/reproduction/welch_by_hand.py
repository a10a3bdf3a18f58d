"""Welch's test of a difference of two means against a bound, written out."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean, variance

from scipy.stats import t as student


def p_above(one: Sequence[float], other: Sequence[float], bound: float) -> float:
    """Return the p-value against "mean(one) - mean(other) <= bound": small if the difference is surely above."""
    parts = [variance(sample) / len(sample) for sample in (one, other)]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(other) - 1))
    return float(student.sf((fmean(one) - fmean(other) - bound) / sqrt(sum(parts)), freedom))


def p_below(one: Sequence[float], other: Sequence[float], bound: float) -> float:
    """Return the p-value against "mean(one) - mean(other) >= bound"."""
    return p_above(other, one, -bound)


def p_similar(one: Sequence[float], other: Sequence[float], margin: float) -> float:
    """Return the p-value of two one-sided tests that the difference lies between -margin and margin."""
    return max(p_above(one, other, -margin), p_below(one, other, margin))
