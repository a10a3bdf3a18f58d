"""How long tests wait for other processes, and the waiting."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 600.0
"""Seconds. Only what hangs takes as long, however busy the machine is."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` returns something true; `what` says what did not happen in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def without_signs_of_life(text: str) -> list[str]:
    """Return the lines that a command has written, but those which say on a slow machine that it still works."""
    return [line for line in text.splitlines() if " ..." not in line and ": done after " not in line]


def wait_for_checkpoint(folder: Path, step: int) -> None:
    """Wait until the run in `folder` has a checkpoint after at least `step` steps."""

    def is_there() -> bool:
        return any(int(path.stem[5:]) >= step for path in (folder / "checkpoints").glob("step-*.safetensors"))

    wait_until(is_there, "no checkpoint appeared")
