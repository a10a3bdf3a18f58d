"""A pickle is a program: only the published ones run, and those may only rebuild arrays."""

import os
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.containers.pickles import unpickle
from resunit.errors import DataError
from tests.data.cifar_files import python2_pickle, small_cifar10, with_md5, write_pickles


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def test_the_attack_works_on_an_ordinary_unpickler(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Malicious(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_not_executed(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps({"data": Malicious(tmp_path / "ran")}, protocol=protocol)
    with pytest.raises(DataError, match=r"batch: .*posix\.mkdir"):
        unpickle(content, "batch")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "module", ["builtins eval", "numpy load", "numpy.core.multiarray scalar", "os system"]
)
def test_nothing_but_arrays_can_be_asked_for(module: str) -> None:
    home, name = module.split()
    content = f"c{home}\n{name}\n(S'1'\ntR.".encode()
    with pytest.raises(DataError, match=f"batch: .*{re.escape(home)}.{name}"):
        unpickle(content, "batch")


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps([1]), python2_pickle({"a": 1})[:-3]])
def test_other_pickles_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="batch: "):
        unpickle(content, "batch")


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_of_today_are_read(protocol: int) -> None:
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    if protocol < 5:  # protocol 5 rebuilds arrays by another function, which nobody published CIFAR with
        assert (unpickle(pickle.dumps({"data": data}, protocol=protocol), "batch")["data"] == data).all()
    else:
        with pytest.raises(DataError, match="_frombuffer"):
            unpickle(pickle.dumps({"data": data}, protocol=protocol), "batch")


def test_an_altered_pickle_is_not_run_at_all(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "pickles", cifar, records)
    cifar = with_md5(cifar, folder)
    (folder / "data_batch_3").write_bytes(pickle.dumps({"data": Malicious(tmp_path / "ran")}))
    with pytest.raises(DataError, match=r"data_batch_3: .* MD5 "):
        read_container(folder, cifar)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_of_something_else_is_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "pickles", cifar, records)
    (folder / "test_batch").write_bytes(python2_pickle({"filenames": ["a.png"]}))
    with pytest.raises(DataError, match=r"test_batch: .*labels"):
        read_container(folder, with_md5(cifar, folder))


def test_a_pickle_nobody_published_is_refused(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "pickles", cifar, records)
    with pytest.raises(DataError, match=r"data_batch_1: .* MD5 "):
        read_container(folder, replace(cifar, md5={}))
