"""The files that are a container together."""

from collections.abc import Iterable
from pathlib import Path

from resunit.errors import DataError


def find_parts(folder: Path, names: Iterable[str]) -> list[Path] | None:
    """Return the paths of the files called `names` in `folder`, in order; None if none of them is there.

    Raises:
        DataError: some of the files are there and others are missing; the message names the first of these.
    """
    paths = [folder / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    if len(missing) == len(paths):
        return None
    if missing:
        raise DataError(f"{missing[0]}: missing; get a complete copy")
    return paths
