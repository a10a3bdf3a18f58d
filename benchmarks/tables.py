"""Measurements and verdicts as a terminal shows them."""

from collections.abc import Iterable

from rich.table import Table

from benchmarks.records import Measurement
from benchmarks.timing import spread
from benchmarks.verdicts import Verdict

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def measurements_table(measurements: Iterable[Measurement]) -> Table:
    table = Table("network", "contestant", "settings", "rate", "range", "seconds", "memory", box=None)
    for column in table.columns[3:]:
        column.justify = "right"
    for measurement in measurements:
        memory = measurement.details.get("memory")
        table.add_row(
            measurement.network or "",
            measurement.contestant,
            " ".join(f"{name}={value}" for name, value in measurement.settings.items()),
            *rates_and_seconds(measurement),
            "" if memory is None else f"{memory / 2**20:,.0f} MiB",
        )
    return table


def rates_and_seconds(measurement: Measurement) -> tuple[str, str, str]:
    """Median rate, its range, and median seconds; nothing of recorded runs that shared their machine."""
    if not measurement.seconds:
        return "", "", ""
    rate = spread(measurement.work / seconds for seconds in measurement.seconds)
    least, most = in_units(rate.least, measurement.unit), in_units(rate.most, measurement.unit)
    seconds = spread(measurement.seconds).median
    return in_units(rate.median, measurement.unit), f"{least} - {most}", f"{seconds:.3g}"


def verdicts_table(verdicts: Iterable[Verdict]) -> Table:
    table = Table("", "median", "range", "target", "", box=None)
    for column in table.columns[1:4]:
        column.justify = "right"
    for verdict in verdicts:
        sign = "<=" if verdict.at_most else ">="
        table.add_row(
            verdict.what,
            f"{verdict.found.median:.3g} {verdict.unit}",
            f"{verdict.found.least:.3g} - {verdict.found.most:.3g}",
            "" if verdict.goal is None else f"{sign} {verdict.goal:g} {verdict.unit}",
            {True: "met", False: "NOT met", None: ""}[verdict.met],
        )
    return table


def in_units(rate: float, unit: str) -> str:
    """A rate with its unit: 931 images/s, 387 GFLOP/s."""
    if unit in ("FLOP", "bytes"):
        size, letter = next(((size, letter) for size, letter in PREFIXES if rate >= size), (1.0, ""))
        return f"{rate / size:.3g} {letter}{'B' if unit == 'bytes' else unit}/s"
    return f"{rate:,.3g} {unit}/s" if rate < 1000 else f"{rate:,.0f} {unit}/s"
