"""Archives, unpacked into a temporary folder."""

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path

from resunit.data.cifar.temporary import temporary_folder, temporary_not_writable
from resunit.errors import DataError


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a tar archive for the time of the context, and give the folder of its files.

    Every file lies directly in that folder, so no path in the archive leads anywhere else. Links are skipped.

    Raises:
        DataError: the archive is no whole tar archive, or cannot be unpacked.
        OSError: the operating system refused to read the archive.
    """
    with temporary_folder() as folder:
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    if content is not None:
                        _write(folder / Path(member.name).name, content.read())
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, BadGzipFile) as error:
            raise DataError(f"{archive}: not a whole tar archive; get it again") from error
        yield folder


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise temporary_not_writable(error) from error
