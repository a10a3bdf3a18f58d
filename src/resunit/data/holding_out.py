"""The images of a folder that are held out of training where no split is given."""

import hashlib
import os
from pathlib import Path
from typing import TypeAlias

from resunit.errors import DataError

HELD_OUT_SHARE = 0.1
Paths: TypeAlias = dict[str, list[Path]]
"""The image files of each class."""


def hold_out(folder: Path, images: Paths) -> tuple[Paths, Paths]:
    """Split the images into those to train on and a tenth to evaluate on, class by class.

    A hash of each file's path below `folder` decides which, so that every machine holds out the same images.
    Every class gives a tenth of its images, rounded; it keeps one or more to train on, and gives one or more
    if it has two.

    Raises:
        DataError: no class has two images, so that nothing can be held out.
    """
    train, test = {}, {}
    prefix = os.path.join(folder, "")  # ends in a slash
    for name, paths in images.items():
        ranked = sorted(paths, key=lambda path: _rank_of(path, prefix))
        held = set(ranked[: min(max(round(HELD_OUT_SHARE * len(paths)), 1), len(paths) - 1)])
        train[name] = [path for path in paths if path not in held]
        test[name] = [path for path in paths if path in held]
    if not any(test.values()):
        raise DataError(
            f"{folder}: has one image a class, so that none can be held out for evaluation; add images, or a folder "
            "val/ beside train/"
        )
    return train, test


def _rank_of(path: Path, prefix: str) -> bytes:
    """Return a key that depends on the path below `prefix` and on nothing else."""
    name = os.fspath(path).removeprefix(prefix)  # Path.relative_to is slow for millions of files.
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
