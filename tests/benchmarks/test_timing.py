"""Turns, medians and ratios on constructed times."""

import pytest

from benchmarks.contest import CONVOLUTIONS, OURS
from benchmarks.records import Measurement
from benchmarks.timing import SLICE, Spread, Timed, interleave, ratios, spread, warm_up
from benchmarks.verdicts import verdicts


def test_the_spread_is_median_least_and_greatest() -> None:
    assert spread([5, 1, 3]) == Spread(3, 1, 5)
    assert spread([4, 1, 3, 2]) == Spread(2.5, 1, 4)
    with pytest.raises(ValueError, match="no median"):
        spread([])


def test_a_slow_round_cancels_in_a_ratio_of_rounds() -> None:
    ours, theirs = [1.0, 10.0, 1.0], [2.0, 20.0, 2.2]
    assert ratios(theirs, ours) == Spread(2.0, 2.0, 2.2)
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_a_slice_is_filled_by_as_many_repetitions_as_fit() -> None:
    def repetitions(*seconds: float) -> int:
        times = iter(seconds)
        return warm_up(lambda _: next(times))

    assert repetitions(9.0) == 1  # long work is done once to warm up
    assert repetitions(SLICE / 2, SLICE / 10) == 10  # the first time, what is done only once is in it
    assert repetitions(SLICE / 2, 9.0) == 1


def test_contestants_take_turns() -> None:
    calls: list[tuple[str, int]] = []

    def timed(name: str) -> Timed:
        def work(repetitions: int) -> float:
            calls.append((name, repetitions))
            return float(len(calls))

        return work

    turns = []
    contestants = {"a": (timed("a"), 3), "b": (timed("b"), 1), "c": (timed("c"), 2)}
    seconds = interleave(contestants, 3, turns.append)
    assert calls == [("a", 3), ("b", 1), ("c", 2)] * 3
    assert seconds == {"a": (1, 4, 7), "b": (2, 5, 8), "c": (3, 6, 9)}
    assert sum(turns) == 9


def measured(
    contestant: str, *seconds: float, network: str = "preresnet20", beside: str = "pytorchcv"
) -> Measurement:
    settings = {"batch_size": 128, "image_size": 32, "threads": 2, "beside": beside}
    return Measurement("train", contestant, seconds, 128, "images", network, settings)


def test_training_is_judged_by_the_ratios_of_its_rounds() -> None:
    run = [
        measured("pytorchcv default", 3.0, 5.0, 3.2),
        measured("pytorchcv best", 1.1, 2.2, 1.2),
        measured(OURS, 1.0, 2.0, 1.0),
        measured(CONVOLUTIONS, 0.8, 1.8, 0.9),
        measured("pytorchcv best", 9.0, 9.0, 9.0, network="preresnet32"),
        measured(OURS, 3.0, 3.0, 3.0, network="preresnet32"),
    ]
    as_used, best, untargeted, share = verdicts("train", run)
    assert (as_used.found, as_used.goal, as_used.met) == (Spread(3.0, 2.5, 3.2), 2.0, True)
    assert best.found.median == pytest.approx(1.1)
    assert (best.goal, best.met) == (1.15, False)
    assert (share.found.median, share.met) == (0.9, True)
    assert (untargeted.found.median, untargeted.met) == (3.0, None)


def test_every_round_counts_for_the_share_of_the_limit() -> None:
    run = [
        *(measured(OURS, 1.0, 1.0), measured(CONVOLUTIONS, 0.7, 0.8)),
        *(measured(OURS, 1.0, beside="timm"), measured(CONVOLUTIONS, 0.9, beside="timm")),
    ]
    (share,) = verdicts("train", run)
    assert share.found == Spread(0.8, 0.7, 0.9)


def test_growth_is_counted_a_unit() -> None:
    def grown(name: str, units: int, *seconds: float) -> Measurement:
        return Measurement("growth", name, seconds, 64, "images", "a, b", {}, {"units": units})

    (verdict,) = verdicts("growth", [grown("a", 54, 5.4, 5.4), grown("b", 333, 33.3, 36.0)])
    assert verdict.found.least == pytest.approx(1.0)
    assert verdict.found.most == pytest.approx(36 / 33.3)
    assert verdict.what == "seconds a unit, b over a"
    assert verdict.met


def test_memory_that_grows_as_the_root_of_depth_passes_and_more_does_not() -> None:
    def small(network: str, units: int, memory: float) -> Measurement:
        details = {"units": units, "memory": memory}
        return Measurement(
            "memory", "resunit small", (1.0,), 128, "images", network, {"batch_size": 128}, details
        )

    def exponent(growth: float):
        run = [small("preresnet164", 54, 2**28), small("preresnet1001", 333, 2**28 * growth)]
        return verdicts("memory", run)[-1]

    assert exponent((333 / 54) ** 0.49).met
    assert not exponent((333 / 54) ** 0.6).met
    assert exponent((333 / 54) ** 0.6).found.median == pytest.approx(0.6)
