"""Files that are written whole or not at all, locks on folders, and checksums of files."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resunit.errors import WriteError


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that a reader, or a crash at any moment, sees the old file or the new one.

    The file and its folder are both flushed to disk.

    Args:
        path: the file; its folder must exist.
        content: the whole new content.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # The first error says more than one about the temporary file.
            temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises WriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(folder)) from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_locks: set[int] = set()  # The open file descriptors of the locks that this process holds.


def _release_locks() -> None:
    """Close the descriptors that a forked process inherited.

    A process that decodes images, say, would otherwise hold its parent's locks after the parent has ended.
    """
    while _locks:
        os.close(_locks.pop())


os.register_at_fork(after_in_child=_release_locks)


@contextmanager
def only_user_of(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, which ends with the process if not before.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    _locks.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        _locks.discard(descriptor)
        os.close(descriptor)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes into `folder`, then hold the right to write there.

    Runs that start side by side fetch a data set once by it.

    Raises:
        WriteError: the operating system refused to write the file of the lock.
    """
    path = folder / ".lock"
    try:
        lock = path.open("w")
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def file_digest(path: Path, algorithm: str) -> str:
    """Return the checksum of a file, in hexadecimal.

    Args:
        path: the file.
        algorithm: a name that `hashlib` knows, such as "sha256".

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
