"""The format of recipe.json: the older names of fields, and the fields that change no number of a run."""

from collections.abc import Mapping
from typing import Any

from resunit.runs.record_files import format_of

RECIPE_FORMAT = 2

# These fields say how a run is watched and stored, which changes none of its numbers.
WITHOUT_EFFECT = (
    "format", "name", "device", "activation_checkpointing", "evaluate_every", "evaluate_steps",
    "evaluation_images", "tta", "checkpoint_every", "watch_propagation", "capture",
    "cudnn_benchmark",
)  # fmt: skip

NAMES_SINCE_FORMAT_1 = {
    "group_size": "ghost_batch_size",
    "widening": "shortcut_option",
    "drops": "milestones",
    "scales": "resize_scales",
    "scale_ends": "resize_ends",
    "augmented_views": "tta",
    "memory": "activation_checkpointing",
}


def upgrade_recipe(record: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return a recipe's record in the newest format; its values are not checked.

    A record without a format number is of format 1. Its fields and its model options get today's names; fields
    whose name has not changed stay as they are. `origin` is the file that holds the record, for the message.

    Raises:
        FileFormatError: the record is of a newer format; the message names `origin` and the writer.
    """
    upgraded = dict(record)
    if format_of(record, RECIPE_FORMAT, origin) == 1:
        upgraded = _rename(upgraded)
        if isinstance(options := upgraded.get("model_options"), Mapping):
            upgraded["model_options"] = _rename(options)
    return {**upgraded, "format": RECIPE_FORMAT}


def _rename(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {NAMES_SINCE_FORMAT_1.get(name, name): value for name, value in fields.items()}
