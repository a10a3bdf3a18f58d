"""Command lines of `resunit train` in a process of its own."""

import sys
from pathlib import Path

Value = str | int | float | bool | tuple[float, ...]


def options(changes: dict[str, Value]) -> list[str]:
    """Return fields of a recipe as options: {"tta": True, "batch_size": 8} -> --tta --batch-size 8."""
    parts: list[str] = []
    for name, value in changes.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{option}" if value else f"--no-{option}")
        else:
            parts += [f"--{option}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return parts


def train_command(out: Path, changes: dict[str, Value], recipe: str = "paper") -> list[str]:
    """Return the command that trains a recipe with changed fields into the folder `out`."""
    return [*program(), "train", "--recipe", recipe, *options(changes), "--out", str(out)]


def resume_command(folder: Path) -> list[str]:
    """Return the command that continues the run in a folder."""
    return [*program(), "train", "--resume", str(folder)]


def program() -> list[str]:
    """Return the beginning of every command."""
    return [sys.executable, "-m", "resunit"]
