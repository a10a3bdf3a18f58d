"""Files that are written whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that a reader, or a crash at any moment, sees the old file or the new one.

    The file and its folder are both flushed to disk. Raises OSError if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)  # a full disk does not say where
        raise
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
