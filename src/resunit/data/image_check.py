"""The check, before a run begins, that all of its image files can be decoded; that they can is remembered."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import __version__ as pillow_version

from resunit.data.decoding_threads import decode_in_threads
from resunit.data.images import opened_upright, too_many_broken
from resunit.data.remarks import listening
from resunit.errors import DataError
from resunit.io.atomic import make_folder, write_atomically
from resunit.io.places import cache_folder


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
    def problem(index: int) -> DataError | None:
        try:
            with listening(), opened_upright(files[index], least_side):
                return None
        except DataError as error:
            return error

    broken = {}
    for index, error in decode_in_threads(problem, len(files), "looking for broken images", progress):
        if error is not None:
            broken[index] = error
            if len(broken) > skip_broken:
                raise too_many_broken(list(broken.values()), skip_broken)
    return broken


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
