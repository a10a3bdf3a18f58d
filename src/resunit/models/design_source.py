"""Designs of the user's own by name, MODULE:NAME, and the file with their code, as weights files record it.

Nothing here imports torch.
"""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from resunit.errors import UsageError


def is_own_design(design: str | None) -> TypeGuard[str]:
    """Return whether `design` is the user's own, MODULE:NAME, whose options no table knows."""
    return design is not None and ":" in design


@dataclass(frozen=True)
class DesignSource:
    """The file of a design MODULE:NAME, as it was when the network was trained; its numbers depend on the file."""

    file: str
    """The name of the module's file without its folder, because weights are passed on and paths may name people."""
    sha256: str
    """The SHA-256 of the file, in hexadecimal."""


def source_of(design: str) -> DesignSource:
    """Return the file with the code of an added design. Raises UsageError for a module without a file."""
    file = sys.modules[design.partition(":")[0]].__file__
    if file is None:
        raise UsageError(f"{design} is in a folder without code of its own; name the module in a file")
    return DesignSource(Path(file).name, hashlib.sha256(Path(file).read_bytes()).hexdigest())
