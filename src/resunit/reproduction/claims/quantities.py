"""Numbers that claims compare, each of one run's record."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

CLASSES = {"cifar10": 10, "cifar10-sample": 10, "cifar100": 100}
NEAR = 2.0  # points below chance: six standard errors of 10,000 images, and nothing worth calling learning
EARLY = 0.5  # of the steps: at mini scale all at the first learning rates, before the drop at 70 %


@dataclass(frozen=True)
class Quantity:
    """`of(record)` is None where the run does not say."""

    words: str
    unit: str
    of: Callable[[Mapping[str, Any]], float | None]


def is_at_chance(record: Mapping[str, Any]) -> bool:
    """Has the run ended and learned nothing? Diverging is no better.

    No where nobody knows how many classes there were: older records of folders do not say.
    """
    if record["status"] == "diverged":
        return True
    classes = CLASSES.get(record["data"]) or record.get("classes")
    return classes is not None and record["test_error"] > 100 * (1 - 1 / classes) - NEAR


def _early_loss(record: Mapping[str, Any]) -> float | None:
    """Mean training loss over the first half of the steps: what Fig. 6 (left) shows."""
    points = [point for point in record["curve"] if point["step"] <= EARLY * record["steps"]]
    losses = [point["train_loss"] for point in points if point["train_loss"] is not None]
    return sum(losses) / len(losses) if losses else None


def _growth(record: Mapping[str, Any]) -> float | None:
    """Doublings of the stream's root mean square from the first junction to the last, when last measured."""
    sizes = [size for size in _measured(record, "stream_rms", -1) if size]
    return math.log2(sizes[-1] / sizes[0]) if len(sizes) > 1 else None


def _truncation(record: Mapping[str, Any], measurement: int) -> float | None:
    shares = [share for share in _measured(record, "truncated", measurement) if share is not None]
    return 100 * sum(shares) / len(shares) if shares else None


def _measured(record: Mapping[str, Any], name: str, measurement: int) -> list[float | None]:
    lines = record.get("propagation") or [{}]
    return lines[measurement].get(name) or []


TEST_ERROR = Quantity("test error", "points", lambda record: record["test_error"])
TRAIN_LOSS = Quantity("training loss at the end", "nats", lambda record: record["train_loss"])
EARLY_LOSS = Quantity("mean training loss over the first half of the steps", "nats", _early_loss)
GROWTH = Quantity("growth of the stream from the first unit to the last", "doublings", _growth)
FIRST_TRUNCATION = Quantity("share of y < 0 before the first step", "points", lambda r: _truncation(r, 0))
LAST_TRUNCATION = Quantity("share of y < 0 when last measured", "points", lambda r: _truncation(r, -1))
