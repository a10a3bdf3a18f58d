"""A run of a named recipe on all of CIFAR-10: one line of results/RECIPE.jsonl."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from resunit.runs.recipe_format import upgrade_recipe
from resunit.runs.schema import Status


@dataclass(frozen=True)
class RecipeRun:
    """The summary of one run; errors are in percent."""

    FORMAT: ClassVar[int] = 2

    name: str
    """The name of the recipe."""
    model: str
    design: str
    precision: str
    seed: int
    status: Status
    steps: int
    batch_size: int
    test_error: float | None
    best_test_error: float | None
    mirror_error: float | None
    """The test error on the average over an image and its mirror image."""
    tta_error: float | None
    """The test error with test-time augmentation over six views."""
    train_loss: float | None
    train_flops: int
    evaluation_flops: int
    wall_seconds: float | None
    alone: bool
    """Whether the run was not interrupted; otherwise it may have shared the machine, and its time means nothing."""
    machine: str
    """Processor, threads, operating system and architecture."""
    resunit: str
    """The version of resunit."""
    commit: str | None
    recipe: Mapping[str, Any]
    """The fields of the recipe but its seed, with the recipe's own format."""
    format: int = FORMAT


_NAMES_SINCE_FORMAT_1 = {
    "table": "name",
    "test_error_mirrored_views": "mirror_error",
    "test_error_augmented_views": "tta_error",
    "version": "resunit",
}
_DROPPED_AFTER_FORMAT_1 = ("row", "options", "scale")  # They were the same in every line.


def upgrade_recipe_run(record: dict[str, Any]) -> dict[str, Any]:
    """Return a run of format 1 with the names of format 2, in its recipe too.

    Fields that the recipe does not have stay absent.
    """
    upgraded = {
        _NAMES_SINCE_FORMAT_1.get(name, name): value
        for name, value in record.items()
        if name not in _DROPPED_AFTER_FORMAT_1
    }
    recipe = upgrade_recipe(record["recipe"], "recipe")
    recipe.pop("seed", None)
    return {**upgraded, "recipe": recipe}
