"""What `resunit reproduce` is asked for: a table with rows, a scale, seeds, and the records that count."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from resunit.errors import FileFormatError, UsageError, unknown
from resunit.io.places import user_path
from resunit.models.custom import add_design
from resunit.reproduction.comparison import OWN
from resunit.reproduction.evidence.pool import read_pool
from resunit.reproduction.evidence.records import read_evidence, read_records, select_newest_of_each_run
from resunit.reproduction.experiments.experiment import PlannedRun, plan_runs
from resunit.reproduction.experiments.scales import SCALES
from resunit.reproduction.figures.signal import changes_for_signal
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.rows import Row
from resunit.reproduction.paper.tables import TABLES, Table
from resunit.reproduction.seeds import seeds_of_scale
from resunit.runs.recipe_format import WITHOUT_EFFECT
from resunit.runs.schema import ExperimentRecord

SIGNAL = "signal"
STEPS_OF_SIGNAL = 200  # at smoke scale the last measurement of its few steps
FOLDER = "FOLDER"  # stands for the folder of images that the user has not named


@dataclass(frozen=True)
class Plan:
    """What `resunit reproduce` is asked for.

    Attributes:
        table: the table with the rows that were chosen.
        seeds: the number of seeds of each row.
        data: the folder of images of the rows that name no data set.
        changes: fields of every recipe that differ from the scale's own.
        records: a file whose records are shown in place of all others.
        signal_steps: the steps before the second measurement of the signal.
        pool: files of somebody else's records, which count beside one's own.
        seeds_follow_rule: whether rows whose first seeds learn nothing have fewer seeds (`leave_out_seeds_at_chance`).
    """

    name: str
    table: Table
    scale: str
    seeds: int
    data: str | None
    changes: Mapping[str, Any]
    out: Path
    records: Path | None
    signal_steps: int
    pool: tuple[Path, ...] = ()
    seeds_follow_rule: bool = False

    @property
    def changes_numbers(self) -> bool:
        """Whether a change makes the runs other runs, and does not only watch or store them differently."""
        return any(name not in WITHOUT_EFFECT for name in self.changes)

    @cached_property
    def pooled(self) -> tuple[ExperimentRecord, ...]:
        """Somebody else's records, of the settings of the plan's runs. Raises as `read_pool` does."""
        if not self.pool:
            return ()
        machine_chooses = SCALES[self.scale]().precision == "auto" and "precision" not in self.changes
        return tuple(
            read_pool(self.pool, (run.setting for run in self.runs()), in_any_precision=machine_chooses)
        )

    def evidence(self) -> list[ExperimentRecord]:
        """Return the records that the table can show; of two records of one run somebody else's goes.

        Raises:
            FileFormatError: a file is missing or damaged.
            UsageError: somebody else's records are of other settings.
        """
        if self.records is not None and not self.records.exists():
            raise FileFormatError(f"{self.records}: no such file; --records takes a file of JSON lines")
        own = read_evidence(self.out, self.scale) if self.records is None else read_records(self.records)
        return select_newest_of_each_run([*self.pooled, *own])

    def runs(self) -> list[PlannedRun]:
        """Return the runs that this machine would train, with a stand-in for a folder that was not named."""
        return list(
            plan_runs(
                self.table, scale=self.scale, seeds=self.seeds, data=self.data or FOLDER, changes=self.changes
            )
        )


def make_plan(
    name: str,
    *,
    scale: str,
    seeds: int | None,
    only: str,
    data: str | None,
    changes: Mapping[str, Any],
    add: Sequence[str],
    out: Path,
    records: Path | None,
    pool: Sequence[Path] = (),
) -> Plan:
    """Return what is asked for, with every default filled in; most arguments are fields of the `Plan`.

    Without `seeds`, each row has as many as its scale needs (`seeds_of_scale`), and one for the signal. `only` is a
    shell pattern of the ids of the rows, and `add` names designs of the user's own, MODULE:CLASS, each one more row.
    For the signal, `data` may be any data set, and `steps` among the changes is the step of the second measurement.

    Raises:
        UsageError: a name does not exist, or a value does not fit.
    """
    if name not in TABLES:
        raise unknown("table", name, TABLES)
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    out, records = user_path(out), None if records is None else user_path(records)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; name a folder")
    follows_rule = seeds is None
    if seeds is None:
        seeds = 1 if name == SIGNAL else seeds_of_scale(scale)
    if seeds < 1:
        raise UsageError(f"--seeds must be at least 1, not {seeds}")
    table = replace(TABLES[name], rows=select_rows(name, TABLES[name], only, add))
    steps = 0
    if name == SIGNAL:
        table, changes, steps = _change_for_the_signal(
            table, scale, data, changes, shows_a_file=records is not None
        )
    pooled = tuple(map(user_path, pool))
    return Plan(
        name, table, scale, seeds, data, changes, out, records, steps, pooled, seeds_follow_rule=follows_rule
    )


def select_rows(name: str, table: Table, only: str, add: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows whose id matches `only`, and the user's own rows.

    If `only` matches none but own rows, these alone are returned. Raises UsageError if it matches nothing.
    """
    own = tuple(make_own_row(table, design) for design in add)
    found = tuple(row for row in table.rows if fnmatch.fnmatch(row.id, only))
    if found:
        return found + own
    found = tuple(row for row in own if fnmatch.fnmatch(row.id, only))
    if not found:
        raise unknown(f"row of {name}", only, [row.id for row in (*table.rows, *own)])
    return found


def make_own_row(table: Table, design: str) -> Row:
    """Return a row for the user's MODULE:CLASS, on the network and the data that the table is about."""
    add_design(design)
    first = next(row for row in table.rows if row.network is not None)
    name = design.partition(":")[2]
    return replace(
        first, id=name, label=name, network=network(first.own_network.model, design), published=None,
        published_top5=None, remark=OWN,
    )  # fmt: skip


def _change_for_the_signal(
    table: Table, scale: str, data: str | None, changes: Mapping[str, Any], *, shows_a_file: bool
) -> tuple[Table, Mapping[str, Any], int]:
    """Return the table on other data, the changes of recipes, and the step of the second measurement.

    A file of records is shown whatever the length of its runs, so that the step changes no recipe then.
    """
    recipe = SCALES[scale]()
    assert recipe.steps is not None
    changes = dict(changes)
    steps = changes.pop("steps", recipe.watch_propagation if scale == "smoke" else STEPS_OF_SIGNAL)
    watched = changes.get("watch_propagation", recipe.watch_propagation)
    if data is not None:
        table = replace(table, rows=tuple(replace(row, data=data) for row in table.rows))
    if not shows_a_file:
        changes = changes_for_signal(changes, steps, watched, recipe.steps)
    return table, changes, steps
