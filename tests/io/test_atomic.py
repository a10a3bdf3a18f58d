"""Files are written whole or not at all, and locks end with the process that took them."""

import os
import signal
from pathlib import Path

import pytest

from resunit.errors import WriteError
from resunit.io.atomic import only_user_of, only_writer, write_atomically


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
