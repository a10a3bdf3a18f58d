"""The containers that people have CIFAR in; whichever it is, the canonical binary records come out.

A reader is a function (folder, cifar) -> records of every stored file, or None if the folder is not its
container. A new container is one such file and one row of READERS.
"""

import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from resunit.data.cifar.containers import binary, parquet, pickles, strips
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import check_records
from resunit.errors import DataError
from resunit.io.atomic import file_digest

READERS: dict[str, Callable[[Path, Cifar], dict[str, bytes] | None]] = {
    "binary version": binary.read,
    "Python pickles": pickles.read,
    "parquet": parquet.read,
    "PNG strips": strips.read,
}


def read_container(path: Path, cifar: Cifar) -> dict[str, bytes]:
    """The records of each stored file of `cifar`, from an archive or a folder, or a folder in that folder.

    Raises DataError if it is no such container, incomplete, damaged, or not what was published.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    try:
        if path.is_dir():
            return _read_folder(path, path, cifar)
        if path.name in cifar.md5 and file_digest(path, "md5") != cifar.md5[path.name]:
            raise DataError(
                f"{path}: damaged: its MD5 is not the published {cifar.md5[path.name]}; get it again"
            )
        with _unpacked(path) as folder:
            return _read_folder(folder, path, cifar)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_folder(folder: Path, origin: Path, cifar: Cifar) -> dict[str, bytes]:
    for place in [folder, *sorted(inner for inner in folder.iterdir() if inner.is_dir())]:
        for read in READERS.values():
            records = read(place, cifar)
            if records is not None:
                check_records(records, cifar, str(origin))
                return records
    raise DataError(f"{origin}: no {cifar.name} in it; known containers: {', '.join(READERS)}")


@contextmanager
def _unpacked(archive: Path) -> Iterator[Path]:
    """The plain files of a tar archive, laid flat in a folder, so no path in it leads elsewhere."""
    with tempfile.TemporaryDirectory(prefix="resunit-") as folder:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    if content is not None:
                        (Path(folder) / Path(member.name).name).write_bytes(content.read())
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive}: not a whole tar archive; get it again") from error
        yield Path(folder)
