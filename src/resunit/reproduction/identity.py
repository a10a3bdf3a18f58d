"""What determines a run's numbers, as hashes: all of it, and the recipe alone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from resunit.models.custom import source_digest
from resunit.training.recipe import Recipe

NUMERICS = 1  # raised by hand whenever a change makes equal recipes give other numbers

# What a recipe says about watching and storing, and not about the numbers.
WITHOUT_EFFECT = (
    "format", "name", "device", "activation_checkpointing", "evaluate_every", "evaluate_steps", "evaluation_images",
    "tta", "checkpoint_every", "watch_propagation",
)  # fmt: skip
# What a record states by itself: the network, the seed, and how much of it was trained on what.
STATED = (
    "model", "design", "model_options", "seed", "data", "crop", "epochs", "steps", "batch_size", "precision",
)  # fmt: skip


# An identity does not depend on a field's name: fields are hashed under the names that they had first.
FIRST_NAMES = {
    "ghost_batch_size": "group_size",
    "milestones": "drops",
    "resize_scales": "scales",
    "resize_ends": "scale_ends",
    "shortcut_option": "widening",
}


def identity_of(recipe: Recipe, data_checksum: str) -> str:
    """The hash of what determines a run's numbers: recipe, network, data, seed, precision, NUMERICS."""
    determines = _determines(recipe.to_json()) | {"data": data_checksum, "numerics": NUMERICS}
    if recipe.design is not None and ":" in recipe.design:
        determines["own design"] = source_digest(recipe.design)
    return _hash(determines)[:16]


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Equal where seed, network and what else a record states are all that differ; of `Recipe.to_json()`."""
    return _hash({name: value for name, value in _determines(recipe).items() if name not in STATED})[:8]


def _determines(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A field at its default does not count, so that new fields leave old runs what they are."""
    return {
        name: value
        for name, value in _as_stored(recipe).items()
        if name not in WITHOUT_EFFECT and (name not in DEFAULTS or value != DEFAULTS[name])
    }


def _as_stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tuples become lists, as in a recipe that was stored."""
    return json.loads(json.dumps(values))


DEFAULTS = _as_stored({field.name: field.default for field in fields(Recipe) if field.default is not MISSING})


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_under_first_names(values), sort_keys=True).encode()).hexdigest()


def _under_first_names(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        FIRST_NAMES.get(name, name): _under_first_names(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
