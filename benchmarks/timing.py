"""Contestants take turns, A B C A B C ..., so that what disturbs the machine meets all of them alike."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

SLICE = 0.6  # seconds that a contestant works at a time, if its work is shorter than that

Timed = Callable[[int], float]  # repetitions -> seconds for one


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, and the least and the greatest of them."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    """Raises ValueError for no values."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Quotients round by round: what slows a whole round cancels. Raises ValueError if rounds are missing."""
    return spread(a / b for a, b in zip(numerators, denominators, strict=True))


def least_seconds(work: Callable[[], object], repetitions: int = 3) -> float:
    """The least of a few repetitions of `work`, after one that is not counted: for a choice, not a record."""
    work()
    times = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def warm_up(timed: Timed) -> int:
    """How many repetitions fill a slice, found by doing the work once, and once more if it is short."""
    first = timed(1)
    return 1 if first >= SLICE else max(1, round(SLICE / timed(1)))


def interleave(
    contestants: Mapping[str, tuple[Timed, int]], rounds: int, advance: Callable[[int], object]
) -> dict[str, tuple[float, ...]]:
    """Seconds for one repetition of each contestant's work in each round, of so many repetitions a turn.

    `advance` is called with 1 after every turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (timed, repetitions) in contestants.items():
            seconds[name].append(timed(repetitions))
            advance(1)
    return {name: tuple(times) for name, times in seconds.items()}
