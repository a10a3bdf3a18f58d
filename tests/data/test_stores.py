"""Stores of data sets that are read-only, locked, without locks, or left half written by a killed process."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resunit.data.cifar import temporary
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.fetching import fetch_cifar
from resunit.data.cifar.storage import check_stored
from resunit.data.cifar.temporary import temporary_folder
from resunit.errors import DataError
from resunit.io import progress
from tests.data.cifar_files import small_cifar10, write_binary
from tests.patience import PATIENCE


@pytest.fixture
def cifar() -> Cifar:
    return small_cifar10()[0]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may look into, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def source(place: Path) -> Path:
    return write_binary(place / "source", small_cifar10()[1])


def as_a_common_user(function: Callable[[], None]) -> int:
    """Call a function in a process that is not root's, which may write anywhere; return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
        function()
        code = 0
    except DataError:
        code = 2
    finally:
        os._exit(code)


def test_a_whole_store_that_is_read_only_is_only_read(cifar: Cifar, place: Path, source: Path) -> None:
    store = place / "store"
    fetch_cifar(cifar, store, source, progress=False)
    (store / ".lock").unlink()
    for path in (*store.iterdir(), store):
        path.chmod(path.stat().st_mode & ~0o222)
    assert as_a_common_user(lambda: fetch_cifar(cifar, store, None, progress=False)) == 0
    assert as_a_common_user(lambda: fetch_cifar(cifar, store, source, progress=False)) == 2
    store.chmod(0o755)


def test_another_users_lock_is_waited_for_like_ones_own(cifar: Cifar, place: Path, source: Path) -> None:
    store = place / "store"
    store.mkdir(mode=0o777)
    store.chmod(0o777)
    (store / ".lock").touch(mode=0o644)
    assert as_a_common_user(lambda: fetch_cifar(cifar, store, source, progress=False)) == 0
    assert all(check.ok for check in check_stored(store, cifar))


def test_a_lock_that_is_held_is_waited_for_aloud(
    cifar: Cifar,
    place: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BEFORE_PROGRESS", 0.01)
    store, said = place / "store", ""
    store.mkdir()
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=fetch_cifar, args=(cifar, store, source, True))
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while "waiting for" not in said:
            assert time.monotonic() < deadline, said
            time.sleep(0.01)
            said += capfd.readouterr().err
        assert str(store / ".lock") in said
        assert not (store / "manifest.json").exists()
    thread.join(PATIENCE)
    assert all(check.ok for check in check_stored(store, cifar))


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_without_locks_a_data_set_is_stored_all_the_same(
    number: int, cifar: Cifar, place: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_file: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (place / "store").mkdir()
    partial = place / "store" / ".test_batch.bin.1.partial"
    partial.touch()
    fetch_cifar(cifar, place / "store", source, progress=False)
    assert all(check.ok for check in check_stored(place / "store", cifar))
    assert partial.exists(), "another process may be writing it"


def killed(program: str, *arguments: object) -> None:
    """Run a program that kills itself."""
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_fetch_left_is_removed_by_the_next(cifar: Cifar, place: Path, source: Path) -> None:
    store = place / "store"
    store.mkdir()
    program = """
import os, signal, sys
from pathlib import Path
from resunit.io.atomic import write_atomically
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]) / "data_batch_1.bin", bytes(10**6))
"""
    killed(program, store)
    (partial,) = store.glob(".*.partial")
    assert partial.stat().st_size == 10**6
    fetch_cifar(cifar, store, source, progress=False)
    assert not list(store.glob(".*.partial"))
    assert all(check.ok for check in check_stored(store, cifar))


def test_the_temporary_folders_of_killed_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from resunit.data.cifar.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "cifar.tar.gz").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed(program, tmp_path)
    (tmp_path / "resunit-mine").mkdir()
    (left,) = tmp_path.glob(".resunit-fetch-*")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder():
        assert left.exists(), "its process may be about to lock it"
    monkeypatch.setattr(temporary, "SECONDS_BEFORE_REMOVAL", -1)
    with temporary_folder() as outer, temporary_folder() as inner:
        assert not left.exists()
        assert outer.exists()
        assert inner.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["resunit-mine"]
