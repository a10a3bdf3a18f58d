"""Where the code of a design of the user's own stands, as weights files record it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from resunit.models.custom import source_digest


@dataclass(frozen=True)
class DesignSource:
    """The file of a design MODULE:NAME on the machine that trained with it."""

    file: str
    """The path of the module's file."""
    sha256: str
    """The SHA-256 of the file, in hexadecimal."""


def source_of(design: str) -> DesignSource:
    """Return where the code of an added design stands. Raises UsageError for a module without a file."""
    digest = source_digest(design)
    file = sys.modules[design.partition(":")[0]].__file__
    assert file is not None
    return DesignSource(str(Path(file).resolve()), digest)
