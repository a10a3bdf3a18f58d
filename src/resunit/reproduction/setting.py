"""The setting of a run: what is equal in runs that are compared, or that are seeds of one row."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

from resunit.reproduction.identity import recipe_hash
from resunit.reproduction.scales import IMAGENET_SCALES, SCALES


class Setting(NamedTuple):
    """`recipe` is the hash of all else that the recipe says."""

    data: str
    scale: str
    steps: int
    batch_size: int
    precision: str
    recipe: str
    numerics: int

    @property
    def words(self) -> str:
        """Without the scale; the recipe is named where it is not the scale's own."""
        own = self.recipe in (recipe_of_scale(self.scale), recipe_of_scale(self.scale, imagenet=True))
        return f"{self.steps:,} steps of {self.batch_size}, {self.precision}" + (
            "" if own else f", recipe {self.recipe}"
        )


def setting_of(record: Mapping[str, Any]) -> Setting:
    return Setting(*(record[name] for name in Setting._fields))


@cache
def recipe_of_scale(scale: str, imagenet: bool = False) -> str | None:
    """The hash of the scale's own recipe, for CIFAR or for `imagenet`; None for runs that no scale made."""
    scales = IMAGENET_SCALES if imagenet else SCALES
    return recipe_hash(scales[scale]().to_json()) if scale in scales else None


R = TypeVar("R", bound=Mapping[str, Any])


def newest_of_each_seed(records: Iterable[R]) -> list[R]:
    """A seed counts once: of two runs that differ in what no setting tells, the later one stays.

    That is the case after a folder of images, or a design of one's own, was changed.
    """
    return list({(setting_of(record), record["seed"]): record for record in records}.values())
