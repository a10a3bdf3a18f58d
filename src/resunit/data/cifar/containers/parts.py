"""The files that together make a container."""

from collections.abc import Iterable
from pathlib import Path

from resunit.errors import DataError


def parts(folder: Path, names: Iterable[str]) -> list[Path] | None:
    """The files called `names`; None if none of them is there, DataError if only some are."""
    paths = [folder / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    if len(missing) == len(paths):
        return None
    if missing:
        raise DataError(f"{missing[0]}: missing; get a complete copy")
    return paths
