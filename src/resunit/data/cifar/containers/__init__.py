"""The containers that people have CIFAR in: an archive or a folder of each becomes the same binary records.

A container is one module of this folder, with a `NAME` and a function `read`, and one row of CONTAINERS.
"""

from pathlib import Path
from typing import Protocol

from resunit.data.cifar.containers import binary, parquet, pickles, strips
from resunit.data.cifar.containers.unpacking import unpacked
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import check_records
from resunit.errors import DataError
from resunit.io.atomic import file_digest


class Container(Protocol):
    """A module that reads one container."""

    @property
    def NAME(self) -> str:
        """What people call the container."""
        ...

    def read(self, folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
        """Return the records of every stored file of `cifar`, or None if `folder` is another container.

        Raises:
            DataError: a file is missing, damaged, or not the published one; the message names the file.
            OSError: the operating system refused to read a file.
        """
        ...


CONTAINERS: tuple[Container, ...] = (
    binary,
    pickles,
    parquet,
    strips,
)


def read_container(path: Path, cifar: Cifar) -> dict[str, bytes]:
    """Return the records of each stored file of `cifar`.

    Args:
        path: an archive or a folder of any known container, or a folder that such a folder is in.
        cifar: the data set that the container should hold.

    Raises:
        DataError: `path` is missing, unreadable, incomplete, damaged, no known container, or not what was
            published.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give an archive or a folder of {cifar.name}")
    try:
        if path.is_dir():
            return _read_folder(path, path, cifar)
        if path.name in cifar.md5 and file_digest(path, "md5") != cifar.md5[path.name]:
            raise DataError(
                f"{path}: damaged: its MD5 is not the published {cifar.md5[path.name]}; get it again"
            )
        with unpacked(path) as folder:
            return _read_folder(folder, path, cifar)
    except OSError as error:
        file = error.filename or path
        raise DataError(f"{file}: cannot be read ({error.strerror or error}); get it again") from error


def _read_folder(folder: Path, origin: Path, cifar: Cifar) -> dict[str, bytes]:
    for place in [folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir())]:
        for container in CONTAINERS:
            records = container.read(place, cifar)
            if records is not None:
                check_records(records, cifar, str(origin))
                return records
    known = ", ".join(container.NAME for container in CONTAINERS)
    raise DataError(f"{origin}: holds no {cifar.name}; known containers: {known}")
