"""Measurements and targets as a terminal shows them."""

from collections.abc import Iterable
from dataclasses import fields

from rich.table import Table

from benchmarks.records import Measurement, Settings, WorkUnit
from benchmarks.targets import TargetCheck
from benchmarks.timing import Spread

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def tabulate_measurements(measurements: Iterable[Measurement]) -> Table:
    """Return a table with a row for each measurement."""
    table = Table("network", "entry", "settings", "rate", "range", "seconds", "memory", box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    for measurement in measurements:
        memory = measurement.details.memory
        table.add_row(
            measurement.network or "",
            measurement.entry,
            " ".join(f"{name}={value}" for name, value in list_given(measurement.settings).items()),
            *format_rates_and_seconds(measurement),
            "" if memory is None else f"{memory / 2**20:,.0f} MiB",
        )
    return table


def list_given(settings: Settings) -> dict[str, object]:
    """Return the settings that apply, by name."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


def format_rates_and_seconds(measurement: Measurement) -> tuple[str, str, str]:
    """Return the median rate, its range, and the median seconds; empty texts where no time was measured.

    Recorded runs that shared their machine with other work have no times.
    """
    if not measurement.seconds:
        return "", "", ""
    rate = Spread.of(measurement.work / seconds for seconds in measurement.seconds)
    least, most = format_rate(rate.least, measurement.unit), format_rate(rate.most, measurement.unit)
    seconds = Spread.of(measurement.seconds).median
    return format_rate(rate.median, measurement.unit), f"{least} - {most}", f"{seconds:.3g}"


def tabulate_targets(checks: Iterable[TargetCheck]) -> Table:
    """Return a table with a row for each quantity and its target."""
    table = Table("", "median", "range", "target", "", box=None)
    for column in table.columns[1:4]:
        column.justify = "right"
    for check in checks:
        sign = "<=" if check.at_most else ">="
        table.add_row(
            check.quantity,
            f"{check.found.median:.3g} {check.unit}",
            f"{check.found.least:.3g} - {check.found.most:.3g}",
            "" if check.target is None else f"{sign} {check.target:g} {check.unit}",
            {True: "met", False: "NOT met", None: ""}[check.met],
        )
    return table


def format_rate(rate: float, unit: WorkUnit) -> str:
    """Return a rate with its unit: ``931 images/s``, ``387 GFLOP/s``."""
    if unit in ("FLOP", "bytes"):
        size, letter = next(((size, letter) for size, letter in PREFIXES if rate >= size), (1.0, ""))
        return f"{rate / size:.3g} {letter}{'B' if unit == 'bytes' else unit}/s"
    return f"{rate:,.3g} {unit}/s" if rate < 1000 else f"{rate:,.0f} {unit}/s"
