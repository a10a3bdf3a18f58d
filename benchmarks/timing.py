"""Entries take turns, A B C A B C ..., so that a disturbance of the machine meets all of them alike."""

import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

SECONDS_PER_TURN = 0.6  # Work that is shorter than a turn is repeated until it fills the turn.

Timed = Callable[[int], float]
"""A function that repeats some work so many times and returns the seconds for one repetition."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Spread:
    """The median of several values, the least and the greatest of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of `values`. Raises ValueError if there are none."""
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def of_one(cls, value: float) -> "Spread":
        """Return the spread of a single value."""
        return cls(value, value, value)

    @classmethod
    def of_ratios(cls, numerators: Sequence[float], denominators: Sequence[float]) -> "Spread":
        """Return the spread of the quotients of each round.

        What slows a whole round down cancels in its quotient.

        Raises:
            ValueError: the two have different numbers of rounds, or none.
        """
        return cls.of(a / b for a, b in zip(numerators, denominators, strict=True))


def time_least(work: Callable[[], object], repetitions: int = 3) -> float:
    """Return the least time of a few repetitions of `work`, after one that is not counted.

    The least time serves to choose between ways to do the same work. Records hold the times of all rounds.
    """
    work()
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def count_repetitions(timed: Timed) -> int:
    """Return how many repetitions fill a turn; the work is done once, and once more if it is short.

    The first repetition also warms up, so that it takes longer than the others.
    """
    first = timed(1)
    return 1 if first >= SECONDS_PER_TURN else max(1, round(SECONDS_PER_TURN / timed(1)))


def interleave(
    entries: Mapping[Key, tuple[Timed, int]], rounds: int, advance: Callable[[int], object]
) -> dict[Key, tuple[float, ...]]:
    """Return the seconds for one repetition of each entry's work, in each round.

    Args:
        entries: how each entry is timed, and its number of repetitions in a turn.
        rounds: the number of turns of each entry.
        advance: a function that is called with 1 after every turn.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in entries}
    for _ in range(rounds):
        for key, (timed, repetitions) in entries.items():
            seconds[key].append(timed(repetitions))
            advance(1)
    return {key: tuple(times) for key, times in seconds.items()}
