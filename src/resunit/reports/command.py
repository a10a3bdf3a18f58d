"""The commands that repeat a run."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# These fields have an option of another name, or no option, because the file's format is not part of the recipe.
OPTIONS_OF_FIELDS = {"name": "--recipe", "format": None}

# A length in one of these units clears the other, so that a field without a value is not repeated.
LENGTHS = ("epochs", "steps")


def repeat_command(folder: Path) -> str:
    """Return the command that repeats the run in `folder` from its recipe.json."""
    return f"resunit train --config {shlex.quote(str(folder / 'recipe.json'))}"


def spell_out_command(recipe: Mapping[str, Any]) -> list[str]:
    """Return the parts of the command that repeats the run of a recipe.json without its folder, one part an option.

    Every field is spelled out, so that later defaults cannot change the run.
    """
    return ["resunit train", *spell_out_options(recipe)]


def spell_out_options(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of a recipe's fields with their values, one part an option."""
    for name, value in fields.items():
        option = OPTIONS_OF_FIELDS.get(name, "--" + name.replace("_", "-"))
        if option is None or (name in LENGTHS and value is None):
            continue
        if isinstance(value, Mapping):
            yield from spell_out_options(value)
        elif isinstance(value, bool):
            yield option if value else option.replace("--", "--no-", 1)
        else:
            yield f"{option} {shlex.quote(_argument(value))}"


def _argument(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
