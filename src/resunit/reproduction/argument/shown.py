"""What shows a statement: sentences with numbers, charts and a table."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from resunit.io.format import drop_nonfinite
from resunit.reproduction.argument.networks import Networks


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        heights: a number for each place on the horizontal axis; None where there is none.
    """

    label: str
    heights: tuple[float | None, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart of lines over one axis.

    Attributes:
        logarithmic: whether the vertical axis is; numbers that are not above zero are not drawn then.
    """

    title: str
    across: tuple[float, ...]
    horizontal: str
    lines: tuple[Line, ...]
    logarithmic: bool = False


@dataclass(frozen=True)
class NumberTable:
    """A table of numbers as text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Shown:
    """What measurements show of a statement.

    Attributes:
        seen: sentences about what was measured, each with its numbers.
        table: the numbers that are no curve.
    """

    seen: tuple[str, ...]
    charts: tuple[Chart, ...] = ()
    table: NumberTable | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what is shown as plain values; numbers that are not finite become null."""
        charts = [asdict(chart) for chart in self.charts]
        for chart in charts:
            for line in chart["lines"]:
                line["heights"] = [drop_nonfinite(height) for height in line["heights"]]
        return {
            "seen": list(self.seen),
            "charts": charts,
            "table": None if self.table is None else asdict(self.table),
        }


Show: TypeAlias = Callable[[Networks], Shown]
"""A function that measures what shows a statement."""


def by_unit(title: str, *lines: Line, logarithmic: bool = False) -> Chart:
    """Return a chart whose lines have a height for each unit, counted from 1."""
    places = max((len(line.heights) for line in lines), default=0)
    return Chart(title, tuple(range(1, places + 1)), "unit", lines, logarithmic)
