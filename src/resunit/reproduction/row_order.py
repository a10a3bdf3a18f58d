"""The order of a table's rows here beside the paper's: the place of each row, and Kendall's tau between the two."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from resunit.reports.paper_comparison import RowOrder

# With four rows, even the paper's own order comes up by chance in 1 of 24 cases.
ROWS_FOR_AN_ORDER = 5
RESAMPLES = 10_000
LEVEL = 0.95

Array = NDArray[np.float64]


def find_order(rows: Mapping[str, tuple[Sequence[float], float | str]]) -> RowOrder | None:
    """Return how far the order of rows by their median error agrees with the paper's order.

    The interval is a percentile bootstrap: each row's seeds are drawn again, with replacement and independently
    of the other rows.

    Args:
        rows: by the name of each row, the test errors in percent of its seeds, at least one, and the paper's error
            or its word "fail". The error of a run that diverged is infinite. Rows that fail in the paper tie there,
            above all others.

    Returns:
        The order; None if the rows are too few, or if all of them tie.
    """
    if len(rows) < ROWS_FOR_AN_ORDER:
        return None
    errors = [of_row for of_row, _ in rows.values()]
    here = np.array([median(of_row) for of_row in errors])
    paper = np.array([math.inf if isinstance(error, str) else error for _, error in rows.values()])
    tau = float(_kendall_tau_b(here, paper))
    if math.isnan(tau):
        return None
    interval = None
    if all(len(of_row) > 1 for of_row in errors):
        generator = np.random.default_rng(0)
        medians = [_resample_medians(np.array(of_row), generator) for of_row in errors]
        # A resample whose rows all tie has no order, which agrees with the paper's as often as not.
        taus = np.nan_to_num(_kendall_tau_b(np.stack(medians, axis=-1), paper), nan=0.0)
        low, high = np.percentile(taus, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        interval = float(low), float(high)
    # The lowest error is the first, and rows that tie share the first of their places.
    places = zip(
        *(rankdata(errors, method="min").astype(int).tolist() for errors in (here, paper)), strict=True
    )
    return RowOrder(tau, interval, dict(zip(rows, places, strict=True)))


def _kendall_tau_b(orders: Array, paper: Array) -> Array:
    """Return Kendall's tau-b (Kendall 1945) between each of some orders, (..., rows), and another, (rows,).

    It is sum s t / sqrt(sum s^2 sum t^2) over all pairs of rows, where s and t are the signs of the pair's
    difference in the two orders. It is NaN if all rows tie. Signs are compared and not subtracted, because values
    may be infinite.
    """
    one, other = np.triu_indices(len(paper), k=1)

    def signs(values: Array) -> Array:
        first, second = values[..., one], values[..., other]
        return (first > second).astype(float) - (first < second)

    s, t = signs(orders), signs(paper)
    with np.errstate(invalid="ignore"):
        return (s * t).sum(axis=-1) / np.sqrt((s**2).sum(axis=-1) * (t**2).sum())


def _resample_medians(errors: Array, generator: np.random.Generator) -> Array:
    """Return the medians of samples, as many as RESAMPLES, drawn with replacement from the errors of a row."""
    drawn = generator.integers(len(errors), size=(RESAMPLES, len(errors)))
    return np.median(errors[drawn], axis=1)
