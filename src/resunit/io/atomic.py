"""Files that are written whole or not at all."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resunit.errors import WriteError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that a reader, or a crash at any moment, sees the old file or the new one.

    The file and its folder are both flushed to disk. Raises WriteError if the system refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


_locks: set[int] = set()


def _leave_locks() -> None:
    """A forked process, such as one that loads data, would hold its parent's locks after that has ended."""
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_leave_locks)


@contextmanager
def only_user_of(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process; raises BlockingIOError if another holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    _locks.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        _locks.discard(descriptor)
        os.close(descriptor)


def file_digest(path: Path, algorithm: str) -> str:
    """Return the checksum of a file, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes into `folder`: runs side by side fetch a data set once."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
