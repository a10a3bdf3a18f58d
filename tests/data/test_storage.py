"""What is stored is proved whole and unaltered on every reading; anything else is named, with the remedy."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from resunit.data import load, verify
from resunit.data.cifar.facts import CIFAR10, Cifar
from resunit.data.cifar.sample import FOLDER, SAMPLE
from resunit.data.cifar.storage import check_stored, read_stored, store
from resunit.errors import DataError
from resunit.io.places import data_root
from tests.data.cifar_files import rows, small_cifar10, small_cifar100


@pytest.fixture(params=["cifar10", "cifar100"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Cifar]:
    cifar, records = small_cifar10() if request.param == "cifar10" else small_cifar100()
    store(tmp_path, cifar, records, "a test")
    return tmp_path, replace(cifar, sources=CIFAR10.sources)


def last_file(cifar: Cifar) -> str:
    return list(cifar.files)[-1]


def test_what_was_stored_is_read(tmp_path: Path) -> None:
    cifar, records = small_cifar100()
    store(tmp_path, cifar, records, "a test")
    dataset = read_stored(tmp_path, cifar)
    labels, pixels = rows(cifar, records["train.bin"])
    assert dataset.source == "a test"
    assert dataset.train.images.shape == (200, 3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8
    assert (dataset.train.images.numpy() == pixels.reshape(-1, 3, 32, 32)).all()
    assert dataset.train.labels.dtype == torch.int64
    assert (dataset.train.labels.numpy() == labels[:, 1]).all()  # the fine labels
    assert len(dataset.test) == 100


def test_files_follow_one_another_in_order(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    store(tmp_path, cifar, records, "a test")
    labels = np.concatenate([rows(cifar, records[file])[0][:, 0] for file in cifar.train])
    assert (read_stored(tmp_path, cifar).train.labels.numpy() == labels).all()


Damage = Callable[[Path], None]


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "problem"), [(alter, "altered"), (cut, "bytes instead of"), (remove, "missing")]
)
def test_a_damaged_file_is_named_with_the_remedy(
    damage: Damage, problem: str, stored: tuple[Path, Cifar]
) -> None:
    folder, cifar = stored
    victim = last_file(cifar)
    damage(folder / victim)
    with pytest.raises(DataError) as caught:
        read_stored(folder, cifar)
    message = str(caught.value)
    assert message.startswith(f"{folder / victim}: ")
    assert problem in message
    assert message.endswith(f"run `resunit data fetch {cifar.name}`")
    assert "\n" not in message
    checks = {check.file.name: check for check in check_stored(folder, cifar)}
    assert [name for name, check in checks.items() if not check.ok] == [victim]
    assert problem in checks[victim].problem


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"source": "x", "sha256": {}}',
        b'{"source": "x", "sha256": []}',
        b'{"source": 3}',
        b'{"format": 2, "source": "x"}',
    ],
    ids=lambda content: str(content)[:30],
)
def test_a_damaged_manifest_is_named(content: bytes | None, stored: tuple[Path, Cifar]) -> None:
    folder, cifar = stored
    if content is None:
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*`resunit data fetch"):
        read_stored(folder, cifar)
    assert not check_stored(folder, cifar)[0].ok


def test_records_that_differ_from_the_published_ones_are_never_stored(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    records["data_batch_2.bin"] = records["data_batch_1.bin"]
    with pytest.raises(DataError, match=r"a test: data_batch_2\.bin .*SHA-256"):
        store(tmp_path, cifar, records, "a test")
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cifar, records = small_cifar10()
    with pytest.raises(DataError, match=r"data_batch_1\.bin: .*RESUNIT_DATA"):
        store(tmp_path / "file", cifar, records, "a test")


def test_the_sample_is_real_balanced_and_sound() -> None:
    sample = load("cifar10-sample")
    assert torch.bincount(sample.train.labels).tolist() == [100] * 10
    assert torch.bincount(sample.test.labels).tolist() == [50] * 10
    assert sample.classes == CIFAR10.classes
    assert "CIFAR-10" in sample.source
    assert all(check.ok for check in verify("cifar10-sample"))
    assert all((FOLDER / file).stat().st_size < 2**21 for file in SAMPLE.files)


def test_an_altered_sample_is_named(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "sample")
    alter(tmp_path / "sample" / "train_2.bin")
    with pytest.raises(DataError, match=r"train_2\.bin: "):
        read_stored(tmp_path / "sample", SAMPLE)


def test_the_root_is_what_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RESUNIT_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root(None) == tmp_path / ".cache" / "resunit" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root(None) == tmp_path / "cache" / "resunit" / "data"
    monkeypatch.setenv("RESUNIT_DATA", "~/mine")
    assert data_root(None) == tmp_path / "mine"
    assert data_root(tmp_path) == tmp_path


def test_the_manifest_says_where_the_records_came_from(stored: tuple[Path, Cifar]) -> None:
    folder, cifar = stored
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["source"] == "a test"
    assert list(manifest["sha256"]) == list(cifar.files)
