"""An experiment: one run of a row, with its recipe and seed, its identity and its folder."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from resunit.errors import Unreachable
from resunit.reproduction.experiments.identity import NUMERICS, identity_of, recipe_hash
from resunit.reproduction.experiments.scales import recipe_for
from resunit.reproduction.experiments.setting import Setting, setting_of
from resunit.reproduction.paper.rows import Row
from resunit.reproduction.paper.tables import Table
from resunit.runs.recipe_format import upgrade_recipe
from resunit.runs.record_files import read_file, write_file
from resunit.runs.schema import ExperimentRecord
from resunit.training.data_of_run import load_dataset
from resunit.training.recipe import Recipe, recipe_from_json


@dataclass(frozen=True)
class Experiment:
    """What to run, as experiment.json in a run's folder holds it.

    Attributes:
        table: the name of the table that the run is made for.
        recipe: what `Recipe.to_json` returns.
        identity: `identity_of` the recipe and its data.
    """

    FORMAT: ClassVar[int] = 2

    table: str
    row: str
    scale: str
    recipe: Mapping[str, Any]
    identity: str
    numerics: int = NUMERICS
    format: int = FORMAT

    @cached_property
    def typed_recipe(self) -> Recipe:
        """The recipe as a checked value."""
        return recipe_from_json(self.recipe, "experiment.json")

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.typed_recipe.seed

    @property
    def steps(self) -> int:
        """The run's length; every experiment has its length in steps."""
        steps = self.typed_recipe.steps
        assert steps is not None
        return steps

    def folder(self, out: Path) -> Path:
        """Return the run's folder in `out`: named for people, and with the identity, which is unique."""
        return out / "runs" / f"{self.table}-{self.row}-seed{self.seed}-{self.identity[:8]}"

    def store(self, folder: Path) -> None:
        """Write experiment.json into `folder`, which is made. Raises WriteError."""
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / "experiment.json", self)

    @classmethod
    def read(cls, folder: Path) -> "Experiment":
        """Return the experiment in `folder`. Raises FileFormatError naming the file."""
        path = folder / "experiment.json"
        experiment = read_file(cls, path)
        return replace(experiment, recipe=upgrade_recipe(experiment.recipe, str(path)))


@dataclass(frozen=True)
class PlannedRun:
    """A row with the recipe that trains it for one seed; its data need not be on this machine."""

    row: Row
    scale: str
    recipe: Recipe

    @cached_property
    def setting(self) -> Setting:
        """The setting of the run; its steps are 0 if only the data can tell how many they are."""
        recipe = self.recipe
        assert recipe.batch_size is not None
        return Setting(
            data=recipe.data,
            scale=self.scale,
            steps=recipe.steps or 0,
            batch_size=recipe.batch_size,
            precision=recipe.precision,
            recipe=recipe_hash(recipe.to_json()),
            numerics=NUMERICS,
        )

    def has_setting_of(self, record: ExperimentRecord) -> bool:
        """Return whether a recorded run has the setting of this one."""
        recorded = setting_of(record)
        return recorded == (
            self.setting if self.setting.steps else self.setting._replace(steps=recorded.steps)
        )


def plan_runs(
    table: Table, *, scale: str, seeds: int, data: str | None, changes: Mapping[str, Any]
) -> Iterator[PlannedRun]:
    """Yield the runs of a table: all rows with the first seed, then all rows with the next seed.

    Rows of other papers' methods have no runs. `data` is the folder of images of the rows that name no data set, and
    `changes` are fields of every recipe that differ from the scale's own.

    Raises:
        UsageError: the scale is unknown, a change does not fit, or a row needs `data`.
    """
    for seed in range(seeds):
        for row in table.rows:
            if row.network is not None:
                yield PlannedRun(row, scale, recipe_for(row, scale, seed, data, changes))


def plan_experiments(
    name: str, table: Table, *, scale: str, seeds: int, data: str | None, changes: Mapping[str, Any]
) -> list[Experiment]:
    """Return the experiments of the table called `name`, in the order of `plan_runs`.

    Rows whose data no source gives are left out, with a RowsLeftOut warning. Two rows that are one run tested
    in two ways have one experiment.

    Raises:
        UsageError: as `plan_runs`.
        DataError: a data set is damaged.
    """
    known: dict[str, DataFacts | None] = {}
    found: dict[str, Experiment] = {}
    for planned in plan_runs(table, scale=scale, seeds=seeds, data=data, changes=changes):
        recipe = planned.recipe
        if recipe.data not in known:
            known[recipe.data] = _facts_of_data(recipe)
        if (facts := known[recipe.data]) is None:
            continue
        recipe = count_in_steps(recipe, facts.train_images)
        identity = identity_of(recipe, facts.checksum)
        found.setdefault(identity, Experiment(name, planned.row.id, scale, recipe.to_json(), identity))
    return list(found.values())


class RowsLeftOut(UserWarning):
    """Rows are left out because no source of their data can be reached."""


@dataclass(frozen=True)
class DataFacts:
    """What a data set tells before training: its checksum, and how many training images it has."""

    checksum: str
    train_images: int


def count_in_steps(recipe: Recipe, train_images: int) -> Recipe:
    """Return `recipe` with its length in steps, by which runs are shown and compared."""
    if recipe.epochs is None:
        return recipe
    assert recipe.batch_size is not None
    steps_per_epoch = (train_images - recipe.validation) // recipe.batch_size
    return replace(recipe, epochs=None, steps=max(1, round(recipe.epochs * steps_per_epoch)))


def _facts_of_data(recipe: Recipe) -> DataFacts | None:
    try:
        dataset = load_dataset(recipe, progress=True)
        return DataFacts(dataset.checksum, len(dataset.train))
    except Unreachable as error:
        warnings.warn(f"rows on {recipe.data} are left out: {error}", RowsLeftOut, stacklevel=3)
        return None
