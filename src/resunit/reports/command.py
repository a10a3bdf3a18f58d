"""The command that repeats a run."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

OPTIONS = {"name": "--recipe", "model": "--model", "design": "--design", "data": "--data", "seed": "--seed"}

# A length given in one of these clears the other, so that the one without a value is not repeated.
LENGTHS = ("epochs", "steps")


def command(recipe: dict[str, Any]) -> list[str]:
    """Its parts; every resolved field is spelled out, so that later defaults cannot change the run."""
    options = [
        f"{option} {shlex.quote(str(recipe[field]))}"
        for field, option in OPTIONS.items()
        if recipe.get(field) is not None
    ]
    settings = [f"--set {shlex.quote(f'{field}={value}')}" for field, value in _settings(recipe)]
    return ["resunit train", *options, *settings]


def _settings(recipe: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in recipe.items():
        if field in OPTIONS or (field in LENGTHS and value is None):
            continue
        if isinstance(value, dict):
            yield from _settings(value)
        elif isinstance(value, list):
            yield field, ",".join(map(str, value))
        elif value is None:
            yield field, "none"
        else:
            yield field, value if isinstance(value, str) else json.dumps(value)
