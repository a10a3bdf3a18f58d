"""Checksums of files, and the lock for one writer at a time."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def file_digest(path: Path, algorithm: str) -> str:
    """The checksum of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes into `folder`: runs side by side fetch a data set once."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
