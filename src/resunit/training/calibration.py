"""Calibration: whether an answer of probability 0.8 is right in 8 of 10 cases (Guo et al. 2017)."""

import torch
from torch import Tensor

from resunit.runs.schema import Calibration, CalibrationBin

BINS = 15  # as in Guo et al.
LEAST_TEMPERATURE, GREATEST_TEMPERATURE = 0.01, 100.0
HALVINGS = 60  # More would change no bit of the temperature.


def measure_calibration(probabilities: Tensor, labels: Tensor) -> Calibration | None:
    """Return the calibration of answers; None for fewer than two images.

    Args:
        probabilities: (N, classes), each row a distribution.
        labels: (N,) int64, the true classes.
    """
    if len(labels) < 2:
        return None
    probabilities = probabilities.double()
    logits = probabilities.clamp_min(torch.finfo(torch.float32).tiny).log()
    temperature = fit_temperature(logits[::2], labels[::2])
    others = (logits[1::2] / temperature).softmax(1)
    return Calibration(
        error=expected_error(sort_into_bins(probabilities, labels)),
        temperature=temperature,
        error_before=expected_error(sort_into_bins(probabilities[1::2], labels[1::2])),
        error_after=expected_error(sort_into_bins(others, labels[1::2])),
        bins=sort_into_bins(probabilities, labels),
    )


def sort_into_bins(probabilities: Tensor, labels: Tensor) -> tuple[CalibrationBin, ...]:
    """Return the bins of equal width that hold images, by ascending probability of the answers."""
    confidence, predicted = probabilities.max(1)
    right = (predicted == labels).double()
    places = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    counts = torch.bincount(places, minlength=BINS)
    sums = [torch.bincount(places, values, minlength=BINS) for values in (confidence, right)]
    return tuple(
        CalibrationBin(count, probability / count, share / count)
        for count, probability, share in zip(
            counts.tolist(), *(total.tolist() for total in sums), strict=True
        )
        if count
    )


def expected_error(bins: tuple[CalibrationBin, ...]) -> float:
    """Return the mean distance of probability and share of right answers over images, in percentage points."""
    images = sum(found.images for found in bins)
    return 100 * sum(found.images * abs(found.probability - found.right) for found in bins) / images


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature that minimises the cross-entropy of the labels (N,), between 0.01 and 100.

    The cross-entropy is convex in 1 / temperature, so its derivative is zero once, which halving an interval finds.
    """
    true = logits.gather(1, labels[:, None]).mean()
    low, high = 1 / GREATEST_TEMPERATURE, 1 / LEAST_TEMPERATURE
    for _ in range(HALVINGS):
        inverse = (low * high) ** 0.5
        expected = ((inverse * logits).softmax(1) * logits).sum(1).mean()
        low, high = (low, inverse) if expected > true else (inverse, high)
    return 1 / (low * high) ** 0.5
