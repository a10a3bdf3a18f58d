"""One run of a row: its recipe and seed, its identity, and the folder that holds all of it."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from resunit.errors import Unreachable
from resunit.io.atomic import write_atomically
from resunit.reproduction.identity import NUMERICS, identity_of
from resunit.reproduction.scales import recipe_for
from resunit.reproduction.tables import Table
from resunit.training.recipe import Recipe, recipe_from_json
from resunit.training.setup import load_dataset


@dataclass(frozen=True)
class Experiment:
    """What to run, as it stands in a run's experiment.json; `recipe` is `Recipe.to_json()`.

    `identity` is `identity_of` the recipe and its data.
    """

    table: str
    row: str
    scale: str
    recipe: dict[str, Any]
    identity: str
    numerics: int = NUMERICS

    @property
    def seed(self) -> int:
        return self.recipe["seed"]

    def to_recipe(self) -> Recipe:
        return recipe_from_json(self.recipe)

    def folder(self, out: Path) -> Path:
        """Named for people; the identity keeps apart what differs in anything."""
        return out / "runs" / f"{self.table}-{self.row}-seed{self.seed}-{self.identity[:8]}"

    def store(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "experiment.json", (json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def stored(cls, folder: Path) -> "Experiment":
        return cls(**json.loads((folder / "experiment.json").read_text()))


def experiments(
    name: str, table: Table, *, scale: str, seeds: int, data: str | None, settings: Mapping[str, Any]
) -> list[Experiment]:
    """The runs of a table, all rows with the first seed, then all with the next.

    Rows whose data no source gives are left out, with a warning, unless that leaves none. Raises UsageError,
    and DataError for data that are damaged.
    """
    known: dict[str, Data | None] = {}
    found = []
    for seed in range(seeds):
        for row in table.rows:
            if row.network is None:
                continue
            recipe = recipe_for(row, scale, seed, data, settings)
            if recipe.data not in known:
                known[recipe.data] = _data_of(recipe)
            if (of_row := known[recipe.data]) is None:
                continue
            recipe = in_steps(recipe, of_row.train_images)
            identity = identity_of(recipe, of_row.checksum)
            if any(experiment.identity == identity for experiment in found):
                continue  # one run, tested in two ways
            # Through JSON, so that an experiment is the same before and after it was stored.
            plain = json.loads(json.dumps(recipe.to_json()))
            found.append(Experiment(name, row.id, scale, plain, identity))
    return found


class RowsLeftOut(UserWarning):
    """Rows whose data cannot be had here."""


@dataclass(frozen=True)
class Data:
    """What there is to know of a row's data before it is trained on."""

    checksum: str
    train_images: int


def in_steps(recipe: Recipe, train_images: int) -> Recipe:
    """`recipe` with its length in steps, by which runs are shown and compared."""
    if recipe.epochs is None:
        return recipe
    assert recipe.batch_size is not None
    per_epoch = (train_images - recipe.validation) // recipe.batch_size
    return replace(recipe, epochs=None, steps=max(1, round(recipe.epochs * per_epoch)))


def _data_of(recipe: Recipe) -> Data | None:
    try:
        dataset = load_dataset(recipe, progress=True)
        return Data(dataset.checksum, len(dataset.train))
    except Unreachable as error:
        warnings.warn(f"rows on {recipe.data} are left out: {error}", RowsLeftOut, stacklevel=3)
        return None
