"""The command that repeats a run."""

import json
import shlex
from typing import Any

OPTIONS = {"name": "--recipe", "model": "--model", "design": "--design", "data": "--data", "seed": "--seed"}


def command(recipe: dict[str, Any]) -> str:
    """Every resolved field is spelled out, so that defaults changed later cannot change the run."""
    words = ["resunit train"]
    for field, option in OPTIONS.items():
        if recipe.get(field) is not None:
            words.append(f"{option} {_word(recipe[field])}")
    for field, value in recipe.items():
        if field not in OPTIONS and value is not None:
            words.append(f"--set {shlex.quote(field)}={_word(value)}")
    return " \\\n    ".join(words)


def _word(value: object) -> str:
    return shlex.quote(value if isinstance(value, str) else json.dumps(value))
