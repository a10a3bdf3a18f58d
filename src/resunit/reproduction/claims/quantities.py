"""The quantities that claims compare, each a number of one run's record."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resunit.runs.schema import ExperimentRecord

CLASSES = {"cifar10": 10, "cifar10-sample": 10, "cifar100": 100}

# An error at most this far below chance counts as chance: it is six standard errors of 10,000 images.
POINTS_BELOW_CHANCE = 2.0

# Fig. 6 (left) shows the beginning of training; at mini scale this share lies before the milestone at 70 %.
SHARE_AT_THE_START = 0.5


@dataclass(frozen=True)
class Quantity:
    """A number of one run.

    Attributes:
        name: what the number is.
        unit: its unit.
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


def _early_loss(record: ExperimentRecord) -> float | None:
    points = [point for point in record.curve if point.step <= SHARE_AT_THE_START * record.steps]
    losses = [point.train_loss for point in points if point.train_loss is not None]
    return sum(losses) / len(losses) if losses else None


def _growth(record: ExperimentRecord) -> float | None:
    """Return the doublings of the stream's root mean square from the first junction to the last."""
    sizes = [size for size in _measured(record, "stream_rms", -1) if size]
    return math.log2(sizes[-1] / sizes[0]) if len(sizes) > 1 else None


def _truncation(record: ExperimentRecord, measurement: int) -> float | None:
    """Return the mean over junctions of the share of negative values, in percent."""
    shares = [share for share in _measured(record, "negative_share", measurement) if share is not None]
    return 100 * sum(shares) / len(shares) if shares else None


def _measured(record: ExperimentRecord, measure: str, measurement: int) -> Sequence[float | None]:
    return record.propagation[measurement].measures.get(measure, ()) if record.propagation else ()


TEST_ERROR = Quantity("test error", "points", lambda record: record.test_error)
TRAIN_LOSS = Quantity("training loss at the end", "nats", lambda record: record.train_loss)
EARLY_LOSS = Quantity("mean training loss over the first half of the steps", "nats", _early_loss)
GROWTH = Quantity("growth of the stream from the first unit to the last", "doublings", _growth)
FIRST_TRUNCATION = Quantity("share of y < 0 before the first step", "points", lambda r: _truncation(r, 0))
LAST_TRUNCATION = Quantity("share of y < 0 when last measured", "points", lambda r: _truncation(r, -1))
