"""Files are written whole or not at all, and locks end with the process that took them."""

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from resunit.errors import WriteError
from resunit.io.atomic import only_user_of, only_writer, whole_folder, write_atomically, written_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_refused_write_is_named_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path / "folder", tmp_path / "absent" / "file", tmp_path / "file" / "inner"):
        with pytest.raises(WriteError) as caught:
            write_atomically(path, b"new")
        assert caught.value.filename == str(path)
        assert str(caught.value).startswith(f"{path}: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "folder"
    with whole_folder(out) as folder:
        (folder / "first").write_text("1")
        (folder / "second").write_text("2")
        assert not out.exists()
    assert sorted(path.name for path in out.iterdir()) == ["first", "second"]
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_of_a_failure_or_a_killed_process_does_not_appear(tmp_path: Path) -> None:
    out = tmp_path / "folder"
    with pytest.raises(ValueError, match="invalid literal"), whole_folder(out) as folder:
        (folder / "first").write_text(str(int("no number")))
    assert not list(tmp_path.iterdir())
    child = os.fork()
    if child == 0:
        with whole_folder(out) as folder:
            (folder / "first").write_text("1")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert not out.exists()
    with whole_folder(out) as folder:  # What the killed process left is in nobody's way.
        (folder / "second").write_text("2")
    assert [path.name for path in out.iterdir()] == ["second"]


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f".folder.{os.getpid()}.partial"
    left.mkdir()
    (left / "first").write_text("half")
    with whole_folder(tmp_path / "folder") as folder:
        (folder / "second").write_text("2")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["second"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    for out in (tmp_path / "taken", tmp_path / "absent" / "folder"):
        with pytest.raises(WriteError) as caught, whole_folder(out) as folder:
            (folder / "file").write_text("other")
        assert caught.value.filename == str(out)
    assert (tmp_path / "taken" / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_error_while_a_file_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def write_half() -> None:
        with written_whole(tmp_path / "file") as write:
            write(b"new")
            assert (tmp_path / "file").read_text() == "old"
            raise OSError(errno.EIO, "of something else")

    with pytest.raises(OSError, match="of something else") as caught:
        write_half()
    assert not isinstance(caught.value, WriteError)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with written_whole(tmp_path / "file") as write:
        write(b"one ")
        write(b"two")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one two"]


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="absent"), only_writer(tmp_path / "absent"):
        pass


def test_a_folder_has_one_user(tmp_path: Path) -> None:
    with only_user_of(tmp_path), pytest.raises(BlockingIOError), only_user_of(tmp_path):
        pass
    with only_user_of(tmp_path):
        pass


def test_a_forked_process_does_not_keep_a_lock(tmp_path: Path) -> None:
    """A killed run leaves processes that decode images behind for some seconds."""
    started, child_started = os.pipe()
    with only_user_of(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(child_started, b".")
            signal.pause()
    try:
        os.read(started, 1)
        with only_user_of(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(started)
        os.close(child_started)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Refuse to flush folders, as some shared and network file systems do."""

    def refuse(number: int) -> None:
        flush = os.fsync

        def refuse_folders(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", refuse_folders)

    return refuse


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_folder_that_cannot_be_flushed_does_not_matter(
    number: int, refused: Callable[[int], None], tmp_path: Path
) -> None:
    refused(number)
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_while_a_folder_is_flushed_is_named(
    number: int, refused: Callable[[int], None], tmp_path: Path
) -> None:
    refused(number)
    with pytest.raises(WriteError, match="file"):
        write_atomically(tmp_path / "file", b"new")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_without_locks_nobody_is_kept_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with only_user_of(tmp_path) as is_locked, only_user_of(tmp_path), only_writer(tmp_path) as is_alone:
        assert (is_locked, is_alone) == (False, False)


def test_other_failures_of_a_lock_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_file: int, _operation: int) -> None:
        raise OSError(errno.EIO, "failed")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="failed"), only_user_of(tmp_path):
        pass
