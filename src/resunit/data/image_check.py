"""The check, before a run begins, that all of its image files can be decoded; that they can is remembered."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from PIL import __version__ as pillow_version

from resunit.data.images import opened_upright, too_many_broken
from resunit.data.remarks import listening, pillow_warnings_heard
from resunit.errors import DataError
from resunit.io.atomic import make_folder, write_atomically
from resunit.io.places import cache_folder
from resunit.io.progress import counting

FILES_AT_ONCE = 1024  # A future of every file of ImageNet would need gigabytes.


def find_broken(
    root: Path, files: Sequence[Path], least_side: int, skip_broken: int, progress: bool = False
) -> dict[int, DataError]:
    """Return why each unreadable image file cannot be read, by its index.

    All files are decoded, unless the same files were all readable before. A file is the same if its path, its
    size and the time of its last change are.

    Args:
        root: the folder that all files are below.
        files: the image files.
        least_side: JPEGs are decoded at a fraction of their size if their sides are far longer than this.
        skip_broken: how many unreadable files are allowed.
        progress: whether progress is shown on stderr.

    Raises:
        DataError: more than `skip_broken` files are not readable images; the message names the first such file.
    """
    digest, remembered = _compute_digest(files), cache_folder() / "checked-images" / _hash_root(root)
    with suppress(OSError):
        if remembered.read_bytes() == digest:
            return {}
    broken = _decode_all(files, least_side, skip_broken, progress)
    if not broken:  # The reason why a file is broken may go away without a change of the file.
        with suppress(OSError):  # Without a place to remember it, the next run checks again.
            make_folder(remembered.parent)
            write_atomically(remembered, digest)
    return broken


def _decode_all(
    files: Sequence[Path], least_side: int, skip_broken: int, progress: bool
) -> dict[int, DataError]:
    def problem(path: Path) -> DataError | None:
        try:
            with listening(), opened_upright(path, least_side):
                return None
        except DataError as error:
            return error

    broken = {}
    with (
        ThreadPoolExecutor() as threads,
        counting("looking for broken images", len(files), progress) as advance,
        pillow_warnings_heard(),
    ):
        try:
            for index, error in _map_in_parts(threads, problem, files):
                if error is not None:
                    broken[index] = error
                    if len(broken) > skip_broken:
                        raise too_many_broken(list(broken.values()), skip_broken)
                advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return broken


def _map_in_parts(
    threads: ThreadPoolExecutor, problem: Callable[[Path], DataError | None], files: Sequence[Path]
) -> Iterator[tuple[int, DataError | None]]:
    for start in range(0, len(files), FILES_AT_ONCE):
        yield from enumerate(threads.map(problem, files[start : start + FILES_AT_ONCE]), start)


def _hash_root(root: Path) -> str:
    return hashlib.sha256(os.fsencode(root.absolute())).hexdigest()


def _compute_digest(files: Sequence[Path]) -> bytes:
    """Return what changes when a file is added, removed or changed, or when another Pillow decodes the files."""
    digest = hashlib.sha256(pillow_version.encode())
    for file in files:
        digest.update(os.fsencode(file) + b"\0")
        with suppress(OSError):  # The check names a file that is not there.
            status = file.stat()
            digest.update(b"%d\0%d\0%d\0" % (status.st_size, status.st_mtime_ns, status.st_ino))
    return digest.digest()
