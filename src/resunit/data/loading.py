"""Data sets by name. The first use fetches; every use checks."""

import os
from difflib import get_close_matches
from pathlib import Path

from resunit.data.cifar.facts import CIFAR10, CIFAR100, Cifar
from resunit.data.cifar.fetching import fetch_cifar
from resunit.data.cifar.sample import FOLDER, SAMPLE
from resunit.data.cifar.storage import FileCheck, check_stored, data_root, is_stored, read_stored
from resunit.data.dataset import Dataset, Split
from resunit.data.folders import read_folder, stream_folder
from resunit.data.streaming import StreamedSplit
from resunit.errors import UsageError

KNOWN = {cifar.name: cifar for cifar in (CIFAR10, CIFAR100, SAMPLE)}


def load(
    name: str, *, root: Path | str | None = None, image_size: int | None = None, progress: bool = True
) -> Dataset[Split]:
    """The data set called `name`: "cifar10", "cifar100", "cifar10-sample", or a folder of images.

    CIFAR is kept in `root`/name (default: $RESUNIT_DATA, else the user's cache) and fetched on first use.
    `image_size` is for folders: CIFAR has 32 x 32. Raises UsageError, UsageError, DataError.
    """
    if name not in KNOWN:
        return read_folder(_folder(name), image_size, progress)
    if image_size not in (None, 32):
        raise UsageError(f"{name} has images of 32 x 32; image_size {image_size} is for folders of images")
    cifar = KNOWN[name]
    folder = _home(cifar, root)
    if cifar.sources and not is_stored(folder):
        fetch_cifar(cifar, folder, None, progress)
    return read_stored(folder, cifar)


def stream(name: str, *, image_size: int | None = None) -> Dataset[StreamedSplit]:
    """The folder `name` of images, left on disk. Raises UsageError, UsageError, DataError."""
    if name in KNOWN:
        raise UsageError(f"{name} has images of 32 x 32; crops at many scales need a folder of larger ones")
    path = Path(name).expanduser()
    if not path.exists():
        raise UsageError(
            f"no folder {name!r}; give --data FOLDER, with train/<class>/<image> and val/<class>/<image>"
        )
    return stream_folder(path, image_size)


def fetch(
    name: str, *, root: Path | str | None = None, source: Path | str | None = None, progress: bool = True
) -> Path:
    """Make sure that `name` is stored and whole; returns its folder. Raises UsageError, DataError.

    `source` is an archive or folder that the user already has, in any known container.
    """
    cifar = _known(name)
    folder = _home(cifar, root)
    if cifar.sources:
        fetch_cifar(cifar, folder, None if source is None else Path(source).expanduser(), progress)
    elif source is not None:
        raise UsageError(f"{name} ships inside resunit; it is not fetched")
    return folder


def verify(name: str, *, root: Path | str | None = None) -> list[FileCheck]:
    """Re-hash every stored file of `name`; nothing is fetched. Raises UsageError."""
    cifar = _known(name)
    return check_stored(_home(cifar, root), cifar)


def _home(cifar: Cifar, root: Path | str | None) -> Path:
    return FOLDER if cifar is SAMPLE else data_root(root) / cifar.name


def _known(name: str) -> Cifar:
    if name not in KNOWN:
        raise _unknown(name)
    return KNOWN[name]


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.exists() and os.sep not in name:
        raise _unknown(name)
    return path


def _unknown(name: str) -> UsageError:
    near = get_close_matches(name, KNOWN, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KNOWN)}, or a folder of images"
    return UsageError(f"unknown data set {name!r}; {hint}")
