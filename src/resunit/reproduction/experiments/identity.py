"""Hashes of what determines a run's numbers: of everything (the identity), and of the recipe's other fields."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from resunit.models.design_source import is_own_design, source_of
from resunit.runs.recipe_format import WITHOUT_EFFECT
from resunit.training.recipe import Recipe
from resunit.training.starting_weights import checksum_of

# This number is raised by hand whenever a change makes equal recipes give other numbers, by more than the rounding
# in which processors and kernels differ too.
NUMERICS = 1

# A record has fields of its own for the network, the seed, the data and the length.
STATED = (
    "model", "design", "model_options", "seed", "data", "crop", "epochs", "steps", "batch_size", "precision",
)  # fmt: skip

# These fields determine numbers where evaluations choose: when the run ends, or which weights it keeps.
WHEN_EVALUATED = ("evaluate_every", "evaluate_steps")

# Hashes do not depend on a field's name: fields are hashed under the names that they had first.
FIRST_NAMES = {
    "ghost_batch_size": "group_size",
    "milestones": "drops",
    "resize_scales": "scales",
    "resize_ends": "scale_ends",
    "shortcut_option": "widening",
}


def identity_of(recipe: Recipe, data_checksum: str) -> str:
    """Return the hash of everything that determines a run's numbers.

    Args:
        recipe: the recipe with its precision resolved, since "auto" means different things on different
            machines. Weights that it starts from count by their checksum, wherever they lie.
        data_checksum: the checksum of the data set.
    """
    determining = _select_determining(recipe.to_json()) | {"data": data_checksum, "numerics": NUMERICS}
    if is_own_design(recipe.design):
        determining["own design"] = source_of(recipe.design).sha256
    if recipe.weights is not None:
        determining["weights"] = checksum_of(recipe.weights)
    return _hash(determining)[:16]


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    """Return the hash of the fields of a recipe, as `Recipe.to_json` returns them, that a record does not state."""
    unstated = {name: value for name, value in _select_determining(recipe).items() if name not in STATED}
    return _hash(unstated)[:8]


def _select_determining(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that determine numbers and differ from their defaults.

    A field at its default does not count, so that a field that is added later leaves old identities alone.
    """
    chooses = recipe.get("patience") is not None or recipe.get("keep_best", False)
    without_effect = {*WITHOUT_EFFECT} - ({*WHEN_EVALUATED} if chooses else set())
    return {
        name: value
        for name, value in recipe.items()
        if name not in without_effect and (name not in DEFAULTS or value != DEFAULTS[name])
    }


DEFAULTS: dict[str, Any] = json.loads(
    json.dumps({field.name: field.default for field in fields(Recipe) if field.default is not MISSING})
)


def _hash(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_restore_first_names(values), sort_keys=True).encode()).hexdigest()


def _restore_first_names(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        FIRST_NAMES.get(name, name): _restore_first_names(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
