"""The table of benchmarks' measurements: one row an entry and setting."""

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from resunit.io.format import format_percent, format_rate, format_time
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable
from resunit.runs.benchmark_record import BenchmarkRecord, Measurement, Settings

LABELS_OF_SETTINGS = {"batch_size": "batch", "image_size": "pixels", "threads": "threads", "peer": "beside"}
LABELS_OF_UNITS = {"images": "images/s", "FLOP": "GFLOP/s", "bytes": "GB/s", "runs": "runs/s"}
PER_BILLION = ("FLOP", "bytes")
MILLISECONDS_A_SECOND = 1000

NOTE = (
    "The time is the median over rounds of one repetition. The error is the mean over seeds of the test error "
    "in percent, with one view."
)


def make_measurement_table(records: Sequence[BenchmarkRecord]) -> SortableTable:
    """Return the table of `records` in their order."""
    headings = (
        "entry",
        "benchmark",
        "network",
        "setting",
        "time (ms)",
        "speed",
        "error",
        "machine",
        "started",
    )
    rows = [
        (
            Cell(record.measurement.entry),
            Cell(record.measurement.subject),
            Cell(record.measurement.network or UNKNOWN),
            Cell(", ".join(_settings(record.measurement.settings)) or UNKNOWN),
            *_time_and_speed(record.measurement),
            _error(record.measurement),
            Cell(record.machine.processor),
            Cell(format_time(record.started)),
        )
        for record in records
    ]
    return SortableTable(headings, rows, (NOTE,))


def _settings(settings: Settings) -> Iterator[str]:
    for name, label in LABELS_OF_SETTINGS.items():
        if (value := getattr(settings, name)) is not None:
            yield f"{label} {value}"
    if settings.axis is not None:
        yield f"{settings.axis} {settings.value}"


def _time_and_speed(measurement: Measurement) -> tuple[Cell, Cell]:
    if not measurement.seconds:
        return Cell(UNKNOWN), Cell(UNKNOWN)
    seconds = median(measurement.seconds)
    time = MILLISECONDS_A_SECOND * seconds
    shown = Cell(f"{time:,.0f}" if time >= 100 else f"{time:.3g}", time)
    if not seconds:
        return shown, Cell(UNKNOWN)
    speed = measurement.work / seconds / (1e9 if measurement.unit in PER_BILLION else 1)
    return shown, Cell(f"{format_rate(speed)} {LABELS_OF_UNITS[measurement.unit]}", speed)


def _error(measurement: Measurement) -> Cell:
    accuracy = measurement.details.accuracy
    if accuracy is None or not accuracy.plain:
        return Cell(UNKNOWN)
    error = fmean(accuracy.plain)
    return Cell(format_percent(error), error)
