"""Files that are written whole or not at all, locks on folders, and checksums of files."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from resunit.errors import ResunitError, WriteError

# What a file system answers that has no locks, or no flushing of folders.
NOT_OFFERED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF}


@contextmanager
def named_refusals(path: Path) -> Iterator[None]:
    """Raise a WriteError that names `path` in the place of any OSError within the context."""
    try:
        yield
    except OSError as error:
        raise WriteError(error.errno, error.strerror, str(path)) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` so that `path` always holds the whole old file or the whole new one, even after a crash.

    The file and its folder, which must exist, are both flushed to disk.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    with written_whole(path) as write:
        write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Give a function that adds bytes to a file, which takes the place of `path` at the end of the context.

    Until then `path` holds the old file, if there is one, and it keeps that file if the context ends with an error.
    Its folder must exist.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with named_refusals(path):
            file = temporary.open("wb")

        def write(content: bytes) -> None:
            with named_refusals(path):
                file.write(content)

        try:
            yield write
            with named_refusals(path):
                file.flush()
                _flush(file.fileno())
        finally:
            # On a full disk closing fails as well, and the first error has named the file already.
            with suppress(OSError):
                file.close()
        with named_refusals(path):
            temporary.replace(path)
            _flush_folder(path.parent)
    finally:
        with suppress(OSError):  # The first error says more than an error about the temporary file would.
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder, which gets its name at the end of the context, with all that is in it then.

    After an exception the folder is deleted. A killed process leaves it under a hidden name that ends in .partial.

    Args:
        folder: the final name, which must not exist, or be an empty folder; the folder above it must exist.

    Raises:
        WriteError: the operating system refused to write, here or within the context.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    # In a container, the process that was killed may have had the same number.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        for path in temporary.iterdir():
            with path.open("rb") as file:
                _flush(file.fileno())
        _flush_folder(temporary)
        temporary.rename(folder)
        _flush_folder(folder.parent)
    except OSError as error:
        if isinstance(error, ResunitError):
            raise
        raise WriteError(error.errno, error.strerror, str(folder)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there. Raises WriteError."""
    with named_refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _flush(descriptor: int) -> None:
    """Flush a file or folder to disk, as far as its file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise


def _flush_folder(folder: Path) -> None:
    """Flush a folder's names to disk. Network and shared file systems may refuse it: the file is there already."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        _flush(descriptor)
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
def only_user_of(folder: Path) -> Iterator[bool]:
    """Hold the lock of `folder`, which ends with the context or with the process.

    The context gives True if the lock keeps other processes out, and False on a file system without locks. On NFS
    the lock holds on one machine alone.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the folder cannot be opened.
    """
    with _locked(os.open(folder, os.O_RDONLY), wait=False) as is_locked:
        yield is_locked


def is_in_use(folder: Path) -> bool:
    """Return whether a process holds the lock of `only_user_of`, or whether that cannot be known.

    To answer, this function holds the lock for an instant, which it shares with other processes that ask. A process
    that calls `only_user_of` in the same instant is refused, so ask seldom.

    Raises:
        OSError: the folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError) or error.errno in NOT_OFFERED:
            return True
        raise
    finally:
        os.close(descriptor)
    return False


@contextmanager
def only_writer(folder: Path, waiting: AbstractContextManager[object] | None = None) -> Iterator[bool]:
    """Wait until no other process writes into `folder`, then hold the right to write there.

    With this lock, runs that start at the same time fetch a data set only once. The context gives True if the lock
    keeps other processes out, and False on a file system without locks.

    Args:
        folder: it must exist.
        waiting: a context for the time that another process holds the right, such as `progress.working`.

    Raises:
        WriteError: the operating system refused to write the file of the lock.
    """
    path = folder / ".lock"
    with named_refusals(path):
        descriptor = _open_lock(path)
    with _locked(descriptor, wait=True, waiting=waiting) as is_locked:
        yield is_locked


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        if not path.is_file():
            raise
        return os.open(path, os.O_RDONLY)  # Another user made the file, and its lock can be waited for.


@contextmanager
def _locked(
    descriptor: int, *, wait: bool, waiting: AbstractContextManager[object] | None = None
) -> Iterator[bool]:
    """Hold the lock of an open file or folder, and close it at the end; give whether there are locks at all."""
    _locks.add(descriptor)
    try:
        is_locked = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            with waiting or nullcontext():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NOT_OFFERED:
                raise
            is_locked = False
        yield is_locked
    finally:
        _locks.discard(descriptor)
        os.close(descriptor)


def remove_partial_files(folder: Path) -> None:
    """Remove half-written files that killed processes left; no other process may write there now."""
    for partial in folder.glob(".*.partial"):
        with suppress(OSError):
            partial.unlink()


def file_digest(path: Path, algorithm: str) -> str:
    """Return the checksum of a file, in hexadecimal, by an algorithm that `hashlib` knows. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
