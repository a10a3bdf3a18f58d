"""A table, figure or the claims of the paper, run and put beside what was published."""

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from resunit.errors import UsageError, unknown
from resunit.models.custom import add_design
from resunit.reports.comparison import Comparison
from resunit.reports.curves import draw_curves
from resunit.reproduction.board import Board
from resunit.reproduction.claims import Verdict, judge
from resunit.reproduction.claims.choosing import SEEDS
from resunit.reproduction.experiment import experiments
from resunit.reproduction.networks import network
from resunit.reproduction.on_ray import RayTasks
from resunit.reproduction.pictures import figure
from resunit.reproduction.publication import OWN, about, comparison
from resunit.reproduction.records import has_ended, path_of, read_records, records_of
from resunit.reproduction.rows import Row
from resunit.reproduction.runner import LocalProcesses, perform_all
from resunit.reproduction.tables import TABLES, Table
from resunit.training.devices import free_memory, resolve_device


def own_row(table: Table, design: str) -> Row:
    """A row for the user's MODULE:CLASS, on the network and the data that the table is about."""
    add_design(design)
    first = next(row for row in table.rows if row.network is not None)
    assert first.network is not None
    words = design.partition(":")[2]
    return replace(
        first, id=words, label=words, network=network(first.network.model, design), published=None,
        published_top5=None, remark=OWN,
    )  # fmt: skip


def chosen_rows(name: str, table: Table, only: str, add: list[str]) -> tuple[Row, ...]:
    """The rows whose id matches `only`, and all of the user's designs; where only such match, these alone."""
    own = tuple(own_row(table, design) for design in add)
    found = tuple(row for row in table.rows if fnmatch.fnmatch(row.id, only))
    if found:
        return found + own
    found = tuple(row for row in own if fnmatch.fnmatch(row.id, only))
    if not found:
        raise unknown(f"row of {name}", only, [row.id for row in (*table.rows, *own)])
    return found


@dataclass(frozen=True)
class Reproduction:
    """A table or figure of the paper with the records of its runs, and all that were run at this scale."""

    name: str
    table: Table
    records: tuple[dict[str, Any], ...]
    everything: tuple[dict[str, Any], ...]

    @property
    def comparison(self) -> Comparison:
        return comparison(self.table, self.records)

    @property
    def verdicts(self) -> list[Verdict]:
        """On the findings about these networks; corrected for all that can be tested at this scale."""
        return about(self.table, judge(self.everything))

    def draw(self, out: Path) -> list[Path]:
        """The figure's curves as PNG and PDF; nothing for a table."""
        plot = figure(self.table, self.records)
        return [draw_curves(plot, out / f"{self.name}{suffix}") for suffix in (".png", ".pdf") if plot]

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.name,
            "caption": self.comparison.caption,
            "rows": [asdict(row) for row in self.comparison.rows],
            "verdicts": [
                {
                    "id": v.claim.id,
                    "finding": v.claim.finding,
                    "outcome": v.outcome,
                    "p": v.p,
                    "seeds": v.seeds,
                    "details": v.details,
                    "runs": v.runs,
                }
                for v in self.verdicts
            ],
            "records": self.records,
        }


def reproduce(
    name: str,
    *,
    scale: str,
    seeds: int | None,
    only: str,
    jobs: int | None,
    on: str,
    address: str | None,
    out: Path,
    data: str | None,
    settings: Mapping[str, Any],
    add: list[str],
    quiet: bool,
) -> Reproduction:
    """Bring all runs of the table `name` to their end.

    By default three seeds, one run at a time; at smoke scale one seed, and a run on each core, since such
    runs do little but start. Raises UsageError for what does not exist or does not fit, OSError for damaged
    records or a full disk, and Interrupted when it was stopped.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    smoke = scale == "smoke"
    if seeds is None:
        seeds = 1 if smoke else SEEDS
    if jobs is None:
        jobs = (os.cpu_count() or 1) if smoke else 1
    for option, value in (("--seeds", seeds), ("--jobs", jobs)):
        if value < 1:
            raise UsageError(f"{option} must be at least 1, not {value}")
    table = TABLES[name]
    table = replace(table, rows=chosen_rows(name, table, only, add))
    wanted = experiments(name, table, scale=scale, seeds=seeds, data=data, settings=settings)
    if not wanted:
        raise UsageError(f"{name}: nothing to run; its rows' data cannot be had here")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    path = path_of(out, scale)
    device = resolve_device(wanted[0].recipe["device"])
    executor = RayTasks(address, jobs, device) if on == "ray" else LocalProcesses(jobs, free_memory(device))
    before = [record for record in records_of(wanted, read_records(path)) if has_ended(record)]
    with Board(table, wanted, before, out, quiet) as board:
        perform_all(wanted, out, scale, executor, board)
    everything = read_records(path)
    return Reproduction(name, table, tuple(records_of(wanted, everything)), tuple(everything))
