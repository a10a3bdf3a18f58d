"""Places on the user's machine: paths as the user typed them, and the folder of cached files."""

import os
import re
import stat
import tempfile
import warnings
from pathlib import Path

from platformdirs import user_cache_path

from resunit.errors import UsageError

ADDRESS = re.compile(r"(https?|ftp|file|s3|gs|hf)://", re.IGNORECASE)  # A Ray cluster's begins otherwise.

IMAGENET_WEIGHTS = "imagenet-resnet50"
"""The name of the published ResNet-50, as `resunit data fetch` takes it, and of its folder."""


class TemporaryCache(UserWarning):
    """The user has no folder for cached files, so they are kept in the temporary folder."""


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path in which a leading ~ is the user's home, whether a shell has expanded it or not.

    Raises:
        UsageError: it is no path but a value of another type, or an address on the web.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"a path is text or a pathlib.Path, not {type(path).__name__}")
    if isinstance(path, str) and ADDRESS.match(path):
        raise UsageError(f"{path} is an address; download the file, and give its path")
    return Path(os.path.expanduser(path))


def data_root(root: Path | str | None) -> Path:
    """Return the folder of all stored data sets and weights: `root`, else $RESUNIT_DATA, else one in the cache."""
    if root is not None:
        return user_path(root)
    if stated := os.environ.get("RESUNIT_DATA"):
        return user_path(stated)
    return cache_folder() / "data"


def imagenet_weights(root: Path | str | None = None) -> Path:
    """Return the path that the published ResNet-50 has once it was fetched; `root` is as for `data_root`."""
    return data_root(root) / IMAGENET_WEIGHTS / "weights.safetensors"


def cache_folder() -> Path:
    """Return the folder of resunit's cached files, which need not exist yet.

    It is in the user's cache. A process without a home, such as one of a user that this machine does not know,
    gets a folder of its own in the temporary folder, with a TemporaryCache warning.
    """
    usual = _usual_cache()
    if usual is not None and _can_be_made(usual):
        return usual
    temporary = _own_temporary_folder()
    warnings.warn(
        f"no home folder to cache files in, so data sets and kernels are kept in {temporary}; "
        "set RESUNIT_DATA to keep data sets elsewhere",
        TemporaryCache,
        stacklevel=2,
    )
    return temporary


def _usual_cache() -> Path | None:
    """Return the folder in the user's cache; None where the user has no home."""
    try:
        folder = user_cache_path("resunit")
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None  # Older versions of platformdirs leave a literal ~.


def _can_be_made(folder: Path) -> bool:
    """Return whether a folder is there, or its nearest folder that is there can be written."""
    if folder.is_dir():
        return True
    nearest = next(parent for parent in folder.parents if parent.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _own_temporary_folder() -> Path:
    """Return a folder that no other user can write: compiled code is loaded from it."""
    folder = Path(tempfile.gettempdir()) / f"resunit-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if is_own and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return folder
    return Path(tempfile.mkdtemp(prefix="resunit-"))
