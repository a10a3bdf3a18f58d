"""The containers that people have CIFAR in: an archive or a folder of each becomes the same binary records.

A container is one module of this folder, with a `NAME` and a function `read`, and one row of CONTAINERS.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from resunit.data.cifar.containers import binary, parquet, pickles, strips
from resunit.data.cifar.containers.file_kinds import describe_other_file
from resunit.data.cifar.containers.unpacking import ARCHIVE, unpacked
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


MOST_WITHIN = 3  # An archive can hold itself, and would be unpacked without end.


def read_container(path: Path, cifar: Cifar) -> dict[str, bytes]:
    """Return the records of each stored file of `cifar`.

    Args:
        path: an archive or a folder of any known container, or a folder that such a folder or archive is in,
            at any depth.
        cifar: the data set that the container should hold.

    Raises:
        DataError: `path` is missing, unreadable, incomplete, damaged, no known container, or not what was
            published.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; give an archive or a folder of {cifar.name}")
    try:
        return _read_folder(path, path, cifar) if path.is_dir() else _read_archive(path, cifar)
    except OSError as error:
        file = error.filename or path
        raise DataError(f"{file}: cannot be read ({error.strerror or error}); get it again") from error


def _read_archive(path: Path, cifar: Cifar, within: int = 0) -> dict[str, bytes]:
    """Return the records in an archive that lies in `within` other archives."""
    if within == MOST_WITHIN:
        raise DataError(f"{path}: lies in {within} archives, one in another; unpack them and give the folder")
    if (other := describe_other_file(path)) is not None:
        raise DataError(f"{path}: no archive of {cifar.name} but {other}")
    if path.name in cifar.md5 and file_digest(path, "md5") != cifar.md5[path.name]:
        raise DataError(f"{path}: damaged: its MD5 is not the published {cifar.md5[path.name]}; get it again")
    with unpacked(path) as folder:
        try:
            return _read_folder(folder, path, cifar, within + 1)
        except DataError as error:
            # The temporary folder is gone by the time that the user reads the message.
            raise DataError(str(error).replace(f"{folder}/", f"{path}/")) from error


def _read_folder(folder: Path, origin: Path, cifar: Cifar, within: int = 0) -> dict[str, bytes]:
    """Return the records in the first folder or archive below `folder` that holds them.

    Raises:
        DataError: none does; the message is about the first that held something like them.
        OSError: the first that held something like them cannot be read.
    """
    failures: list[DataError | OSError] = []
    archives: list[Path] = []
    for place in folders_below(folder):
        for container in CONTAINERS:
            try:
                records = container.read(place, cifar)
                if records is not None:
                    check_records(records, cifar, str(origin))
                    return records
            # Another copy, or another data set's folder, may stand beside it.
            except (DataError, OSError) as error:
                failures.append(error)
        archives += [file for file in sorted(place.iterdir()) if ARCHIVE.search(file.name) and file.is_file()]
    for archive in archives:
        if archive.name in cifar.md5 or "cifar" in archive.name.lower():
            try:
                return _read_archive(archive, cifar, within)
            except (DataError, OSError) as error:
                failures.append(error)
    if failures:
        raise failures[0]
    known = ", ".join(container.NAME for container in CONTAINERS)
    named = f"; give the archive {archives[0]} in it, if it is that" if archives else ""
    raise DataError(f"{origin}: holds no {cifar.name}; known containers: {known}{named}")


def folders_below(folder: Path) -> Iterator[Path]:
    """Yield a folder and all folders below it, through links too, the higher ones first."""
    waiting, known = [folder], set()
    for place in waiting:
        status = place.stat()
        if (status.st_dev, status.st_ino) in known:
            continue
        known.add((status.st_dev, status.st_ino))
        try:
            inner = sorted(entry for entry in place.iterdir() if entry.is_dir())
        except PermissionError:
            if place is folder:
                raise
            continue
        yield place
        waiting += inner
