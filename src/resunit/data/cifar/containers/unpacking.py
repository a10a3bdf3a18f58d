"""Archives, unpacked into a temporary folder."""

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from resunit.data.cifar.temporary import temporary_folder, temporary_not_writable
from resunit.errors import DataError

# Programs number a second download, before the ending or after it.
_NUMBER = r"(?: ?\(\d+\))?"
ARCHIVE = re.compile(rf"\.(?:zip|tgz|tar{_NUMBER}(?:\.(?:gz|bz2|xz))?){_NUMBER}(?:\.\d+)?$", re.IGNORECASE)
"""The endings of the names of archives."""
MOST_BYTES = 1 << 30
"""What an archive may unpack to. The largest container of CIFAR has a fifth of it."""
ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # A ZIP may be empty, or a part of several.
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    BadGzipFile,
    NotImplementedError,  # A compression that Python does not know.
    RuntimeError,  # A password is needed.
)


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
        except DAMAGED as error:
            raise DataError(f"{archive}: not a whole {kind} archive ({error}); get it again") from error
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
    with tarfile.open(archive) as opened:
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


def _write(folder: Path, name: str, content: bytes) -> None:
    steps = [step for step in PurePosixPath(name.replace("\\", "/")).parts if step not in ("/", "..")]
    path = folder.joinpath(*steps)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise temporary_not_writable(error) from error
