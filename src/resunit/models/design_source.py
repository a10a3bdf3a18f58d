"""The file with the code of a design of the user's own, as weights files record it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from resunit.models.custom import source_digest


@dataclass(frozen=True)
class DesignSource:
    """The file of a design MODULE:NAME, as it was when the network was trained."""

    file: str
    """The name of the module's file without its folder, because weights are passed on and paths may name people."""
    sha256: str
    """The SHA-256 of the file, in hexadecimal."""


def source_of(design: str) -> DesignSource:
    """Return the file with the code of an added design. Raises UsageError for a module without a file."""
    digest = source_digest(design)
    file = sys.modules[design.partition(":")[0]].__file__
    assert file is not None
    return DesignSource(Path(file).name, digest)
