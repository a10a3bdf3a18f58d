"""Paths as users type them, and the folder of cached files of users without a home."""

import os
import pwd
import stat
import tempfile
from pathlib import Path

import pytest

from resunit.io.places import TemporaryCache, cache_folder, data_root, user_path


def test_a_leading_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/runs/x") == tmp_path / "runs" / "x"
    assert user_path(Path("~")) == tmp_path
    assert user_path("runs/~x") == Path("runs/~x")
    assert user_path("~no-such-user/x") == Path("~no-such-user/x")


@pytest.fixture
def unknown_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process without a home, of a user that the machine does not know; its temporary folder."""

    def unknown(number: int) -> None:
        raise KeyError(f"uid not found: {number}")

    for name in ("HOME", "XDG_CACHE_HOME", "RESUNIT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_user_without_a_home_gets_a_folder_of_his_own(unknown_user: Path) -> None:
    with pytest.warns(TemporaryCache, match="RESUNIT_DATA"):
        folder = cache_folder()
    assert folder == unknown_user / f"resunit-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with pytest.warns(TemporaryCache):
        assert data_root(None) == folder / "data"


def test_the_variable_for_data_needs_no_home(unknown_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESUNIT_DATA", str(unknown_user / "mine"))
    assert data_root(None) == unknown_user / "mine"


def test_a_folder_that_others_can_write_is_not_taken(unknown_user: Path) -> None:
    """Compiled code is loaded from the cache."""
    planted = unknown_user / f"resunit-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.warns(TemporaryCache):
        assert cache_folder() != planted


def test_a_home_that_is_a_file_is_none(unknown_user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (unknown_user / "file").touch()
    monkeypatch.setenv("HOME", str(unknown_user / "file"))
    with pytest.warns(TemporaryCache):
        assert cache_folder().parent == unknown_user
    monkeypatch.setenv("HOME", str(unknown_user))
    assert cache_folder() == unknown_user / ".cache" / "resunit"
