"""Archives, unpacked into a temporary folder."""

import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeAlias, cast

from resunit.data.cifar.temporary import temporary_folder, temporary_not_writable
from resunit.errors import DataError, reason_of

# Programs number a second download, before the ending or after it.
_NUMBER = r"(?: ?\(\d+\))?"
ARCHIVE = re.compile(rf"\.(?:zip|tgz|tar{_NUMBER}(?:\.(?:gz|bz2|xz))?){_NUMBER}(?:\.\d+)?$", re.IGNORECASE)
"""The endings of the names of archives."""
MOST_BYTES = 1 << 30
"""What an archive may unpack to. The largest container of CIFAR has a fifth of it."""
ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # A ZIP may be empty, or a part of several.


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a tar or ZIP archive for the time of the context, and give the folder of its files.

    No path or link in the archive leads out of that folder.

    Raises:
        DataError: the archive is not whole, or cannot be unpacked.
        OSError: the operating system refused to read the archive.
    """
    with temporary_folder() as folder:
        kind = "ZIP" if _is_zip(archive) else "tar"
        try:
            room = MOST_BYTES
            for name, size, read in _zip_files(archive) if kind == "ZIP" else _tar_files(archive):
                room -= size
                if room < 0:
                    raise DataError(
                        f"{archive}: refused, because it would unpack to more than {MOST_BYTES:,} bytes; get it again"
                    )
                _write(folder, name, read())
        except DataError:
            raise
        except Exception as error:  # A damaged archive can fail in any way.
            if isinstance(error, OSError) and not isinstance(error, BadGzipFile):
                raise
            raise DataError(
                f"{archive}: not a whole {kind} archive ({reason_of(error)}); get it again"
            ) from error
        yield folder


def _is_zip(archive: Path) -> bool:
    with archive.open("rb") as file:
        return file.read(4) in ZIP_BEGINNINGS


Stored: TypeAlias = tuple[str, int, Callable[[], bytes]]
"""The name and the size of a file in an archive, and a function that returns its content, of that size at most."""


def _zip_files(archive: Path) -> Iterator[Stored]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if not member.is_dir():
                yield member.filename, member.file_size, partial(opened.read, member)


def _tar_files(archive: Path) -> Iterator[Stored]:
    """Yield the files of a tar archive; a link to a file in it is that file once more, and other links are left out."""
    with _Tar.open(archive) as opened:
        for member in opened:
            is_link = member.issym() or member.islnk()
            try:
                content = opened.extractfile(member) if member.isfile() or is_link else None
            except KeyError:
                continue
            if content is not None:
                size = content.seek(0, os.SEEK_END)
                content.seek(0)
                yield member.name, size, content.read


class _Tar(tarfile.TarFile):
    """A tar archive that is read in parts of `MOST_BYTES` at most.

    A long name, or the header of the form pax, is read into memory at once, however long it says that it is.
    """

    def __init__(
        self, name: Any = None, mode: Any = "r", fileobj: IO[bytes] | None = None, **options: Any
    ) -> None:
        parts = None if fileobj is None else cast("IO[bytes]", _Parts(fileobj))
        super().__init__(name, mode, parts, **options)


class _Parts:
    """An open file that refuses to read much at once, and is otherwise as it was."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int) -> bytes:
        if size > MOST_BYTES:
            raise tarfile.ReadError(f"it has a part of {size:,} bytes")
        return self._file.read(size)


def _write(folder: Path, name: str, content: bytes) -> None:
    steps = [step for step in PurePosixPath(name.replace("\\", "/")).parts if step not in ("/", "..")]
    path = folder.joinpath(*steps)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise temporary_not_writable(error) from error
