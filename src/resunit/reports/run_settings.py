"""The settings of a run beside those of the named recipe that it started from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

# Where the recipe leaves these fields open, with "auto" or none, the data and the machine decide.
LEFT_OPEN = ("batch_size", "precision", "activation_checkpointing", "device")


class RunSetting(NamedTuple):
    """A field of a run's recipe.

    Attributes:
        name: the field, or an option of the network.
        named_value: the value in the named recipe; None if there is none.
    """

    name: str
    value: Any
    named_value: Any


class RunSettings(NamedTuple):
    """The settings of a run in three groups.

    Attributes:
        changed: the settings that differ from the named recipe.
        decided: the settings that the named recipe leaves open.
        others: the settings that are as the recipe says, or all of them without a named recipe.
    """

    changed: list[RunSetting]
    decided: list[RunSetting]
    others: list[RunSetting]


def select_settings(recipe: Mapping[str, Any], named: Mapping[str, Any] | None) -> RunSettings:
    """Return the settings in a recipe.json beside those of the named recipe, None if it is not known."""
    named_fields = named or {}
    # The recipe of an older version lacks newer fields, which are then no difference.
    own, start = _flatten({**named_fields, **recipe}), _flatten(named_fields)
    found = RunSettings([], [], [])
    for name in dict.fromkeys([*own, *start]):
        setting = RunSetting(name, own.get(name), start.get(name))
        if named is None or setting.value == setting.named_value:
            found.others.append(setting)
        elif name in LEFT_OPEN and setting.named_value in (None, "auto"):
            found.decided.append(setting)
        else:
            found.changed.append(setting)
    return found


def _flatten(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe with the options of its network among them, and without the format."""
    fields = {name: value for name, value in recipe.items() if name not in ("format", "model_options")}
    options = recipe.get("model_options")
    return {**fields, **(options if isinstance(options, Mapping) else {})}
