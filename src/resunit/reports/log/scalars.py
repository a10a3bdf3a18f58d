"""The numbers of a log line under the names that other tools draw them by."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from resunit.runs.schema import LogLine


def name_scalars(line: LogLine) -> dict[str, float]:
    """Return the known numbers of a line by name; tools draw the names with a common part before the slash together."""
    named = {
        "loss/train": line.train_loss,
        f"loss/{line.split}": line.loss,
        "error/train": line.train_error,
        f"error/{line.split}": line.error,
        "learning_rate": line.learning_rate,
        "images_per_second": line.images_per_second,
        "epoch": line.epoch,
    }
    return {name: value for name, value in named.items() if value is not None}


def count_kept(written: Sequence[LogLine], lines: Sequence[LogLine]) -> int:
    """Return how many lines from the first one on are still those that were written."""
    pairs = zip(written, lines, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def time_of(line: LogLine, started: str | None) -> float | None:
    """Return when a line was written, in seconds since 1970; None if it or the start, in ISO 8601, is not known."""
    if started is None or line.seconds is None:
        return None
    return datetime.fromisoformat(started).timestamp() + line.seconds
