"""Turns, medians and ratios of constructed times."""

from statistics import StatisticsError

import pytest

from benchmarks.timing import (
    SECONDS_PER_TURN,
    Spread,
    Timed,
    count_repetitions,
    interleave,
)


def test_the_spread_is_median_least_and_greatest() -> None:
    assert Spread.of([5, 1, 3]) == Spread(3, 1, 5)
    assert Spread.of([4, 1, 3, 2]) == Spread(2.5, 1, 4)
    with pytest.raises(StatisticsError):
        Spread.of([])


def test_a_slow_round_cancels_in_a_ratio_of_rounds() -> None:
    ours, theirs = [1.0, 10.0, 1.0], [2.0, 20.0, 2.2]
    assert Spread.of_ratios(theirs, ours) == Spread(2.0, 2.0, 2.2)
    with pytest.raises(ValueError, match="zip"):
        Spread.of_ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("seconds", "repetitions"),
    [
        ([9.0], 1),  # Long work is done once to warm up.
        (
            [SECONDS_PER_TURN / 2, SECONDS_PER_TURN / 10],
            10,
        ),  # The first repetition also does what is done once.
        ([SECONDS_PER_TURN / 2, 9.0], 1),
    ],
)
def test_a_turn_is_filled_by_as_many_repetitions_as_fit(seconds: list[float], repetitions: int) -> None:
    times = iter(seconds)
    assert count_repetitions(lambda _: next(times)) == repetitions


def test_entries_take_turns() -> None:
    calls: list[tuple[str, int]] = []

    def timed(name: str) -> Timed:
        def work(repetitions: int) -> float:
            calls.append((name, repetitions))
            return float(len(calls))

        return work

    turns: list[int] = []
    entries = {"a": (timed("a"), 3), "b": (timed("b"), 1), "c": (timed("c"), 2)}
    seconds = interleave(entries, 3, turns.append)
    assert calls == [("a", 3), ("b", 1), ("c", 2)] * 3
    assert seconds == {"a": (1, 4, 7), "b": (2, 5, 8), "c": (3, 6, 9)}
    assert sum(turns) == 9
