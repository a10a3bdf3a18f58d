"""Ordinary runs beside each other: their table, their curves, and the field that a sweep varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from resunit.io.sortable_table import SortableTable
from resunit.reports.compared_run import (
    NETWORK_AND_DATA,
    OF_ONE_SETTING,
    ComparedRun,
    find_differing_fields,
    find_swept_field,
)
from resunit.reports.run_table import make_run_table
from resunit.reports.runs_figures import draw_overlaid_curves, draw_sweep

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class RunsComparison:
    """Runs, and what a page shows of them.

    Attributes:
        swept: the field that the error is drawn against; None if the runs are no sweep.
        differs_too: the other fields with an effect that differ.
    """

    runs: Sequence[ComparedRun]
    table: SortableTable
    swept: str | None
    differs_too: Sequence[str]

    def figures(self) -> dict[str, Figure]:
        """Return the interactive figures by name."""
        found = {}
        if (overlay := draw_overlaid_curves(self.runs)) is not None:
            found["overlay"] = overlay
        if self.swept is not None:
            found["sweep"] = draw_sweep(self.runs, self.swept, alone=not self.differs_too)
        return found


def compare_runs(
    runs: Sequence[ComparedRun], page: Path, against: str | None = None, unfinished: Sequence[Path] = ()
) -> RunsComparison:
    """Return the comparison of at least one run, as `page` shows it.

    The error is drawn `against` the field that the user names; by default against the one that a sweep varies. A note
    names the folders of runs that have not ended.

    Raises:
        UsageError: no run has the field `against`, or all have one value of it.
    """
    swept = find_swept_field(runs, against)
    networks = [name for name in NETWORK_AND_DATA if len({run.value(name) for run in runs}) > 1]
    differing = [*networks, *(name for name in find_differing_fields(runs) if name not in OF_ONE_SETTING)]
    table = make_run_table(runs, page)
    if unfinished:
        names = ", ".join(folder.name for folder in unfinished)
        table = replace(table, notes=(*table.notes, f"Left out, because they have not ended: {names}."))
    return RunsComparison(runs, table, swept, [name for name in differing if swept and name != swept])
