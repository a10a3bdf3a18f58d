"""Targets are met or not by constructed times."""

import pytest

from benchmarks.entries import CONVOLUTIONS, OURS, OURS_SPINNING, SMALL_MODE
from benchmarks.neighbours import BUSY_CORE, SECOND_TRAINING
from benchmarks.records import Condition, Details, Measurement, Settings
from benchmarks.targets import TargetCheck, check_targets
from benchmarks.timing import Spread
from benchmarks.watch import MEASURE, PASS, UNWATCHED, WATCHED


def step(
    entry: str,
    *seconds: float,
    network: str = "preresnet20",
    peer: str = "pytorchcv",
    precision: str = "bf16",
) -> Measurement:
    settings, details = (
        Settings(batch_size=128, image_size=32, threads=2, peer=peer),
        Details(precision=precision),
    )
    return Measurement("train", entry, seconds, 128, "images", network, settings, details)


def test_training_is_compared_by_the_ratios_of_its_rounds() -> None:
    measurements = [
        step("pytorchcv default", 3.0, 5.0, 3.2),
        step("pytorchcv best", 1.1, 2.2, 1.2),
        step(OURS, 1.0, 2.0, 1.0),
        step(CONVOLUTIONS, 0.8, 1.8, 0.9),
        step("pytorchcv best", 9.0, 9.0, 9.0, network="preresnet32"),
        step(OURS, 3.0, 3.0, 3.0, network="preresnet32"),
    ]
    as_used, best, untargeted, share = check_targets("train", measurements)
    assert (as_used.found, as_used.target, as_used.met) == (Spread(3.0, 2.5, 3.2), 2.0, True)
    assert best.found.median == pytest.approx(1.1)
    assert (best.target, best.met) == (1.15, False)
    assert (share.found.median, share.met) == (0.9, True)
    assert (untargeted.found.median, untargeted.met) == (3.0, None)


def test_a_processor_without_bf16_has_targets_of_its_own() -> None:
    measurements = [
        step("pytorchcv default", 1.6),
        step("pytorchcv best", 1.2),
        step(OURS, 1.0, precision="fp32"),
        step(CONVOLUTIONS, 0.9),
    ]
    checks = check_targets("train", measurements)
    assert [(check.target, check.met) for check in checks] == [(1.5, True), (1.15, True), (0.93, False)]


def test_every_round_counts_for_the_share_of_the_limit() -> None:
    measurements = [
        *(step(OURS, 1.0, 1.0), step(CONVOLUTIONS, 0.7, 0.8)),
        *(step(OURS, 1.0, peer="timm"), step(CONVOLUTIONS, 0.9, peer="timm")),
    ]
    (share,) = check_targets("train", measurements)
    assert share.found == Spread(0.8, 0.7, 0.9)


def test_serving_is_compared_with_the_faster_library_of_each_round() -> None:
    def served(entry: str, *seconds: float, precision: str | None = None) -> Measurement:
        settings, details = Settings(batch_size=1), Details(precision=precision)
        return Measurement("serving", entry, seconds, 1, "images", "preresnet20", settings, details)

    fp32, bf16, int8 = check_targets(
        "serving",
        [
            served("resunit folded fp32", 2.0, 2.0, precision="fp32"),
            served("resunit folded bf16", 1.0, 1.0, precision="bf16"),
            served("ONNX Runtime fp32", 3.0, 8.0),
            served("OpenVINO fp32", 4.0, 5.0),
            served("OpenVINO bf16", 0.5, 0.7),
            served("ONNX Runtime int8", 0.3, 0.3),
            served("OpenVINO int8", 0.4, 0.2),
        ],
    )
    assert (fp32.found, fp32.met) == (Spread(2.0, 1.5, 2.5), True)
    assert (bf16.found.median, bf16.met) == (pytest.approx(0.6), False)
    assert (int8.found.median, int8.met) == (pytest.approx(0.25), None)
    assert "latency" in fp32.quantity
    assert "bf16 over int8" in int8.quantity


def test_growth_is_counted_per_unit() -> None:
    def deep(name: str, units: int, *seconds: float) -> Measurement:
        return Measurement("growth", name, seconds, 64, "images", "a, b", details=Details(units=units))

    (check,) = check_targets("growth", [deep("a", 54, 5.4, 5.4), deep("b", 333, 33.3, 36.0)])
    assert check.found.least == pytest.approx(1.0)
    assert check.found.most == pytest.approx(36 / 33.3)
    assert check.quantity == "seconds per unit, b over a"
    assert check.met


def test_memory_that_grows_as_the_root_of_depth_meets_the_target_and_more_does_not() -> None:
    def small(network: str, units: int, memory: float) -> Measurement:
        settings, details = Settings(batch_size=128), Details(units=units, memory=round(memory))
        return Measurement("memory", SMALL_MODE, (1.0,), 128, "images", network, settings, details)

    def exponent(growth: float) -> TargetCheck:
        pair = [small("preresnet164", 54, 2**28), small("preresnet1001", 333, 2**28 * growth)]
        return check_targets("memory", pair)[-1]

    assert exponent((333 / 54) ** 0.49).met
    assert not exponent((333 / 54) ** 0.6).met
    assert exponent((333 / 54) ** 0.6).found.median == pytest.approx(0.6)


def test_watching_is_compared_with_a_pass_and_with_an_unwatched_training() -> None:
    def entry(name: str, *seconds: float, threads: int | None = None) -> Measurement:
        return Measurement("watch", name, seconds, 64, "images", "preresnet20", Settings(threads=threads))

    measurements = [
        *(entry(PASS, 1.0, 2.0, threads=2), entry(MEASURE, 1.5, 3.0, threads=2)),
        *(entry(UNWATCHED, 10.0, 10.0), entry(WATCHED, 12.5, 13.5)),
    ]
    measurement, training = check_targets("watch", measurements)
    assert (measurement.found, measurement.met) == (Spread(1.5, 1.5, 1.5), True)
    assert (training.found, training.met) == (Spread(1.3, 1.25, 1.35), False)


def beside(condition: Condition, entry: str, *seconds: float) -> Measurement:
    settings = Settings(batch_size=128, image_size=32, task="training step", condition=condition)
    return Measurement("busy", entry, seconds, 128, "images", "preresnet20", settings)


def test_a_busy_machine_is_compared_with_an_idle_one_and_with_libraries() -> None:
    measurements = [
        *(beside("idle", OURS, 1.0, 2.0, 1.0), beside("idle", OURS_SPINNING, 1.0, 1.6, 1.0)),
        beside("idle", "pytorchcv default", 2.0, 4.0, 2.0),
        *(beside(BUSY_CORE, OURS, 1.9, 3.6, 1.9), beside(BUSY_CORE, "pytorchcv default", 5.7, 5.0, 6.0)),
        *(
            beside(SECOND_TRAINING, OURS, 2.0, 2.0, 2.0),
            beside(SECOND_TRAINING, OURS_SPINNING, 9.0, 9.0, 9.0),
        ),
        beside(SECOND_TRAINING, "pytorchcv default", 8.0, 6.0, 9.0),
    ]
    found = {check.quantity: check for check in check_targets("busy", measurements)}
    short_spin = found["training step, idle: seconds over those without the setting"]
    assert (short_spin.found, short_spin.target, short_spin.met) == (Spread(1.0, 1.0, 1.25), 1.05, True)
    slowed = found["training step, beside one busy core: seconds over those of an idle machine"]
    assert (slowed.found, slowed.met) == (Spread(1.9, 1.8, 1.9), False)
    assert slowed.target == pytest.approx(1.4 * 2 / 1.5)
    library = "images/s over pytorchcv as its users run it"
    assert (
        found[f"training step, idle: {library}"].found.median,
        found[f"training step, idle: {library}"].met,
    ) == (2.0, None)
    busy = found[f"training step, beside a second training: {library}"]
    assert (busy.found, busy.target, busy.met) == (Spread(4.0, 3.0, 4.5), 3.0, True)
