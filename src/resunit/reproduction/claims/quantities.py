"""The quantities that claims compare, each a number of one run's record."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

from resunit.models.registry import network_spec
from resunit.runs.schema import ExperimentRecord, PropagationPoint

CLASSES = {"cifar10": 10, "cifar10-sample": 10, "cifar100": 100}

# An error that is below chance by at most this many points counts as chance: six standard errors of 10,000 images.
POINTS_BELOW_CHANCE = 2.0

# The early part of a training, in percent of its steps. It ends with the paper's first milestone.
EARLY_PERCENT = (5, 50)


@dataclass(frozen=True)
class Quantity:
    """A number of one run.

    Attributes:
        name: what the number is.
        of: returns the number of a record, or None if the record does not have it.
    """

    name: str
    unit: str
    of: Callable[[ExperimentRecord], float | None]


def is_at_chance(record: ExperimentRecord) -> bool:
    """Return whether a run that ended has learned nothing; a diverged run has not.

    It is False if the number of classes is not known, as in old records of image folders.
    """
    if record.status == "diverged":
        return True
    classes = CLASSES.get(record.data) or record.classes
    if classes is None or record.test_error is None:
        return False
    return record.test_error > 100 * (1 - 1 / classes) - POINTS_BELOW_CHANCE


def _early_error(record: ExperimentRecord) -> float | None:
    """Return the mean training error over the early part, from the intervals of the curve that lie in it.

    The training loss does not measure how fast a network learns early: a few steps with a loss of 30, as
    networks with f = ReLU have at first, outweigh all other steps. An error is at most 100 %, and every run has
    one, while a threshold of the loss may never be reached.
    """
    begin, end = (percent * record.steps for percent in EARLY_PERCENT)
    steps, wrong, reached = 0, 0.0, 0
    for point in record.curve:
        if 100 * reached >= begin and 100 * point.step <= end and point.train_error is not None:
            steps += point.step - reached
            wrong += point.train_error * (point.step - reached)
        reached = point.step
    return wrong / steps if steps else None


def _growth(record: ExperimentRecord) -> float | None:
    """Return the doublings of the stream's root mean square from the first to the last unit of each stage, summed.

    The unit that changes the size, the first of a stage, is left out. Its h is not the identity, so the growth
    in this unit does not show what F adds to the stream.
    """
    if not record.propagation:
        return None
    sizes = record.propagation[-1].measures.get("stream_rms", ())
    ends = [0, *accumulate(network_spec(record.model).depths)]
    if len(sizes) != ends[-1]:
        return None
    total = 0.0
    for begin, end in pairwise(ends):
        first, last = sizes[begin], sizes[end - 1]
        if not first or not last:
            return None
        total += math.log2(last / first)
    return total


def _early_truncation(record: ExperimentRecord) -> float | None:
    begin, end = (percent * record.steps for percent in EARLY_PERCENT)
    return _truncation(point for point in record.propagation if begin <= 100 * point.step < end)


def _late_truncation(record: ExperimentRecord) -> float | None:
    end = EARLY_PERCENT[1] * record.steps
    return _truncation(point for point in reversed(record.propagation) if 100 * point.step >= end)


def _truncation(points: Iterable[PropagationPoint]) -> float | None:
    """Return the mean over junctions of the share of y < 0, in percent, in the first of these measurements."""
    point = next(iter(points), None)
    measured = () if point is None else point.measures.get("negative_share", ())
    shares = [share for share in measured if share is not None]
    return 100 * fmean(shares) if shares else None


TEST_ERROR = Quantity("test error", "points", lambda record: record.test_error)
TRAIN_ERROR = Quantity("training error at the end", "points", lambda record: record.train_error)
TRAIN_LOSS = Quantity("training loss at the end", "nats", lambda record: record.train_loss)
EARLY_ERROR = Quantity("mean training error from 5 % to 50 % of the steps", "points", _early_error)
GROWTH = Quantity("growth of the stream within the stages", "doublings", _growth)
EARLY_TRUNCATION = Quantity(
    "share of y < 0 when first measured from 5 % of the steps on", "points", _early_truncation
)
LATE_TRUNCATION = Quantity("share of y < 0 when last measured", "points", _late_truncation)
