"""The setting of a run, which is the same for runs that are compared and for all seeds of a row."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from resunit.reproduction.experiments.identity import recipe_hash
from resunit.reproduction.experiments.scales import IMAGENET_SCALES, SCALES
from resunit.runs.schema import ExperimentRecord


class Setting(NamedTuple):
    """Everything but the network and the seed that determines a run's numbers.

    Attributes:
        batch_size: images per step.
        precision: "bf16" or "fp32".
        recipe: the hash of the other fields of the recipe.
    """

    data: str
    scale: str
    steps: int
    batch_size: int
    precision: str
    recipe: str
    numerics: int

    @property
    def description(self) -> str:
        """Length, batch and precision; also the recipe's hash if the recipe is not the scale's own."""
        own = self.recipe in (recipe_of_scale(self.scale), recipe_of_scale(self.scale, imagenet=True))
        text = f"{self.steps:,} steps of {self.batch_size}, {self.precision}"
        return text if own else f"{text}, recipe {self.recipe}"


def setting_of(record: ExperimentRecord) -> Setting:
    """Return the setting of a recorded run."""
    return Setting(*(getattr(record, name) for name in Setting._fields))


def describe_differences(settings: Iterable[Setting]) -> str:
    """Return the fields in which settings differ, with their values: "steps 100 and 400"."""
    columns = zip(Setting._fields, zip(*settings, strict=True), strict=True)
    values = {name: sorted({str(value) for value in column}) for name, column in columns}
    return ", ".join(f"{name} {' and '.join(found)}" for name, found in values.items() if len(found) > 1)


def find_most_common(records: Iterable[ExperimentRecord]) -> Setting | None:
    """Return the setting of most records, and of equally common ones the first; None without records.

    A setting of smoke scale is returned only if there is no other.
    """
    counts = Counter(setting_of(record) for record in records)
    return max(counts, key=lambda setting: (setting.scale != "smoke", counts[setting]), default=None)


# The hashes of the recipes, for CIFAR and for ImageNet, of scales that are no more. Their records stay readable.
RECIPES_OF_PAST_SCALES = {"mini": ("f2d869a4", "1eb4bdca")}


@cache
def recipe_of_scale(scale: str, imagenet: bool = False) -> str | None:
    """Return the hash of a scale's own recipe, for CIFAR or for ImageNet; None for runs that no scale made."""
    if scale in RECIPES_OF_PAST_SCALES:
        return RECIPES_OF_PAST_SCALES[scale][imagenet]
    scales = IMAGENET_SCALES if imagenet else SCALES
    return recipe_hash(scales[scale]().to_json()) if scale in scales else None


def select_newest_of_each_seed(records: Iterable[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return the records with each seed of a setting once: the later of two records stays.

    Two runs of one network, setting and seed differ if a folder of images, or a design of the user's own,
    was changed between them.
    """
    return list({(setting_of(record), record.seed): record for record in records}.values())
