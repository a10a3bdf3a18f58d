"""Benchmarks' measurements as a table: medians, and amounts a second."""

import pytest

from resunit.reports.measurement_table import make_measurement_table
from resunit.runs.benchmark_record import (
    BenchmarkMachine,
    BenchmarkRecord,
    Details,
    Measurement,
    SeedErrors,
    WorkUnit,
)

MACHINE = BenchmarkMachine("0.1.0", None, "3", "2", "0", "2", "Linux x86_64", "P", "AVX2", "torch", 2, 2)


@pytest.mark.parametrize(
    ("seconds", "work", "unit", "time", "speed"),
    [
        ((0.5, 0.1, 0.2), 128, "images", "200", "640 images/s"),
        ((0.0025,), 10**9, "FLOP", "2.5", "400 GFLOP/s"),
        ((3.0, 5.0), 1, "runs", "4,000", "0.25 runs/s"),
        ((), 10**9, "FLOP", "–", "–"),
    ],
)
def test_time_is_a_median_and_speed_follows_from_it(
    seconds: tuple[float, ...], work: int, unit: WorkUnit, time: str, speed: str
) -> None:
    record = BenchmarkRecord(
        "2026-11-25T01:58:13+00:00", MACHINE, Measurement("train", "e", seconds, work, unit)
    )
    (row,) = make_measurement_table([record]).rows
    assert (row[4].text, row[5].text) == (time, speed)
    assert row[-1].text == "25 November 2026, 01:58 UTC"


def test_errors_are_means_over_seeds() -> None:
    details = Details(accuracy=SeedErrors((0, 1), (8.0, 9.0), (7.0, 7.0), (6.0, 6.0), None))
    record = BenchmarkRecord(
        "then", MACHINE, Measurement("accuracy", "quick", (), 1, "FLOP", details=details)
    )
    assert make_measurement_table([record]).rows[0][6].key == 8.5
