"""A recipe's fields as people type them and as files hold them: parsed, checked, refused in one line."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from resunit.errors import RunError, UsageError, unknown
from resunit.models.designs import DESIGNS
from resunit.models.registry import CONVENTIONS
from resunit.runs.folder import RunFolder
from resunit.training.recipe import Recipe


def with_settings(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """`recipe` with FIELD=VALUE settings, as typed on the command line, applied in order.

    A field is one of the recipe's, or an option of the model such as gate_bias. Raises UsageError.
    """
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator:
            raise UsageError(f"setting {setting!r} is not FIELD=VALUE")
        types = {key: kind for key, kind in field_types().items() if key not in ("name", "model_options")}
        if name in (options := model_options(recipe)):
            value = parsed(name, text, options[name])
            recipe = replace(recipe, model_options={**recipe.model_options, name: value})
        elif name in types:
            other_length = {"epochs": {"steps": None}, "steps": {"epochs": None}}.get(name, {})
            recipe = replace(recipe, **{name: parsed(name, text, types[name])}, **other_length)
        else:
            raise unknown("recipe field", name, [*types, *options])
    return checked(recipe)


def model_options(recipe: Recipe) -> dict[str, type]:
    """The types of all designs' options and of the conventions; those of the recipe's own design prevail."""
    designs = [*DESIGNS.values(), *(DESIGNS[name] for name in DESIGNS if name == recipe.design)]
    options = {name: type(default) for design in designs for name, default in design.options.items()}
    return dict.fromkeys(CONVENTIONS, str) | options


def recipe_from_json(record: Mapping[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_json`; raises UsageError for fields that do not exist or are missing."""
    names = {item.name for item in fields(Recipe)}
    for name in record:
        if name not in names:
            raise unknown("recipe field", name, names)
    needed = {item.name for item in fields(Recipe) if item.default is item.default_factory is MISSING}
    if missing := needed - set(record):  # later fields are at their defaults in older files
        raise UsageError(f"the recipe lacks {', '.join(sorted(missing))}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    return checked(Recipe(**values))


def stored_recipe(folder: RunFolder) -> Recipe:
    """Return the recipe in a run's folder. Raises RunError naming the file."""
    try:
        return recipe_from_json(folder.read_recipe())
    except (UsageError, KeyError, TypeError) as error:
        raise RunError(f"{folder.path / 'recipe.json'}: {error}") from error


def field_types() -> dict[str, Any]:
    return get_type_hints(Recipe)


def parsed(name: str, text: str, kind: Any) -> Any:
    """`text` as a value of the type `kind`; raises UsageError naming the field."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise unknown(name, text, get_args(kind))
        return text
    if type(None) in get_args(kind):
        if text.lower() == "none":
            return None
        return parsed(name, text, get_args(kind)[0])
    if get_origin(kind) is tuple:
        return tuple(parsed(name, part, get_args(kind)[0]) for part in text.split(",") if part)
    if kind is str:
        return text
    try:
        value = json.loads(text.lower())
    except ValueError:
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        words = {int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise UsageError(f"{name} must be {words}, not {text!r}")
    return value


BOUNDS: dict[str, tuple[float, float]] = {  # the least and the greatest value that make sense
    "seed": (0, 2**32 - 1),  # what torch's generator can tell apart
    "image_size": (8, 4096),
    "validation": (0, 10**9),
    "steps": (1, 10**9),
    "batch_size": (2, 10**6),
    "ghost_batch_size": (2, 10**6),
    "muon_steps": (1, 20),
    "weight_decay": (0, 1),
    "muon_weight_decay": (0, 1),
    "warmup_learning_rate": (0, 10**30),
    "padding": (0, 512),
    "evaluate_every": (1, 10**9),
    "evaluate_steps": (1, 10**9),
    "evaluation_images": (1, 10**9),
    "checkpoint_every": (1, 10**9),
    "watch_propagation": (1, 10**9),
}
ABOVE_ZERO = ("epochs", "learning_rate", "muon_learning_rate")
FRACTIONS = ("warmup", "label_smoothing", "momentum")


def checked(recipe: Recipe) -> Recipe:
    """`recipe`, if its values are of their types and make sense together; else raises UsageError."""
    for name, kind in field_types().items():
        if not fits(getattr(recipe, name), kind):
            raise UsageError(f"{name} cannot be {getattr(recipe, name)!r}{choices(kind)}")
    for name, (least, most) in BOUNDS.items():
        value = getattr(recipe, name)
        if value is not None and not least <= value <= most:
            raise UsageError(f"{name} must be at least {least} and at most {most}, not {value}")
    for name in ABOVE_ZERO:
        value = getattr(recipe, name)
        if value is not None and value <= 0:
            raise UsageError(f"{name} must be above 0, not {value}")
    for name in FRACTIONS:
        if not 0 <= getattr(recipe, name) < 1:
            raise UsageError(f"{name} must be in [0, 1), not {getattr(recipe, name)}")
    if (recipe.epochs is None) == (recipe.steps is None):
        raise UsageError("a recipe has a length in epochs or in steps, one of the two")
    if recipe.crop == "shift" and recipe.colour:
        raise UsageError("colour goes with the crops of files: set crop=scale or crop=scale-aspect too")
    if recipe.crop != "shift" and (recipe.padding or recipe.normalisation == "pixel"):
        raise UsageError(
            f"crop={recipe.crop} reads images of many sizes: set padding=0 and normalisation=channel with it"
        )
    if recipe.nesterov and recipe.momentum == 0:
        raise UsageError("nesterov needs a momentum above 0")
    for name in ("milestones", "resize_ends"):
        fractions = getattr(recipe, name)
        if any(not 0 < fraction < 1 for fraction in fractions) or list(fractions) != sorted(fractions):
            raise UsageError(f"{name} are rising fractions of the run between 0 and 1, not {fractions}")
    if len(recipe.resize_scales) != len(recipe.resize_ends):
        raise UsageError(
            "resize_scales and resize_ends go in pairs: each scale has the fraction at which it ends"
        )
    if any(not 0 < scale <= 1 for scale in recipe.resize_scales):
        raise UsageError(f"resize_scales are above 0 and at most 1, not {recipe.resize_scales}")
    return recipe


def fits(value: Any, kind: Any) -> bool:
    """Is `value` of the type `kind` of a recipe's field? Whole numbers do for floats; all must be finite."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(fits(item, get_args(kind)[0]) for item in value)
    if type(None) in get_args(kind):
        return value is None or fits(value, get_args(kind)[0])
    if get_origin(kind) is not None:
        return isinstance(value, get_origin(kind))
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def choices(kind: Any) -> str:
    return f"; known: {', '.join(get_args(kind))}" if get_origin(kind) is Literal else ""
