"""CIFAR as hubs, archives and browsers leave it: other columns, links, folders in folders, ZIPs, pages."""

import gzip
import io
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import Cifar
from resunit.errors import DataError
from tests.data.cifar_files import (
    archive,
    png,
    rows,
    small_cifar10,
    small_cifar100,
    with_md5,
    write_binary,
    write_parquet,
    write_pickles,
)


def rewrite_tables(folder: Path, change: Callable[[pyarrow.Table], pyarrow.Table]) -> Path:
    for file in folder.rglob("*.parquet"):
        parquet.write_table(change(parquet.read_table(file)), file)
    return folder


def renamed(names: dict[str, str]) -> Callable[[pyarrow.Table], pyarrow.Table]:
    return lambda table: table.rename_columns([names.get(name, name) for name in table.column_names])


def with_plain_bytes(table: pyarrow.Table) -> pyarrow.Table:
    images = pyarrow.array([cell["bytes"] for cell in table["img"].to_pylist()], pyarrow.binary())
    return table.set_column(table.column_names.index("img"), "img", images)


@pytest.mark.parametrize(
    "names",
    [{"img": "image"}, {"label": "labels"}, {"img": "image", "label": "labels"}, {"img": "images"}],
)
def test_columns_of_cifar10_have_the_usual_names(names: dict[str, str], tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    assert read_container(rewrite_tables(folder, renamed(names)), cifar) == records


@pytest.mark.parametrize(
    "names", [{"fine_label": "label"}, {"fine_label": "fine_labels", "coarse_label": "coarse_labels"}]
)
def test_columns_of_cifar100_have_the_usual_names(names: dict[str, str], tmp_path: Path) -> None:
    cifar, records = small_cifar100()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    assert read_container(rewrite_tables(folder, renamed(names)), cifar) == records


def test_columns_of_unknown_names_are_listed(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = rewrite_tables(write_parquet(tmp_path / "hub", cifar, records), renamed({"img": "bild"}))
    with pytest.raises(DataError, match=r"train.*\.parquet: .*bild, label.*image"):
        read_container(folder, cifar)


@pytest.mark.parametrize("form", ["names", "dictionary", "digits", "lists", "bytes"])
def test_labels_are_numbers_or_names_of_classes(form: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()

    def change(table: pyarrow.Table) -> pyarrow.Table:
        numbers = table["label"].to_pylist()
        names = pyarrow.array([cifar.classes[number] for number in numbers])
        labels = {
            "names": names,
            "dictionary": names.dictionary_encode(),
            "digits": pyarrow.array(list(map(str, numbers))),
            "lists": pyarrow.array([[number] for number in numbers]),
            "bytes": pyarrow.array(numbers, pyarrow.uint8()),
        }
        return table.set_column(1, "label", labels[form])

    folder = rewrite_tables(write_parquet(tmp_path / "hub", cifar, records), change)
    assert read_container(folder, cifar) == records


def test_a_label_that_is_no_class_is_named(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    rewrite_tables(folder, lambda table: table.set_column(1, "label", pyarrow.array(["owl"] * len(table))))
    with pytest.raises(DataError, match=r"train.*\.parquet: .*owl"):
        read_container(folder, cifar)


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ({"bytes": None, "path": "0.png"}, "path without"),
        ("0.png", "path without"),
        ([0, 1], "no encoded file"),
    ],
)
def test_tables_without_the_bytes_of_images_are_called_so(cell: object, named: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    rewrite_tables(folder, lambda table: table.set_column(0, "img", pyarrow.array([cell] * len(table))))
    with pytest.raises(DataError, match=rf"train.*\.parquet: .*{named}"):
        read_container(folder, cifar)


def test_parts_follow_one_another_by_their_numbers(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    (file,) = write_parquet(tmp_path / "hub", cifar, records).glob("train*.parquet")
    table = parquet.read_table(file)
    file.unlink()
    for number in range(20):
        parquet.write_table(table.slice(5 * number, 5), file.with_name(f"train-{number}.parquet"))
    assert read_container(tmp_path / "hub", cifar) == records


@pytest.mark.parametrize("large", [False, True])
def test_images_are_stored_as_plain_bytes_too(large: bool, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = rewrite_tables(write_parquet(tmp_path / "hub", cifar, records), with_plain_bytes)
    if large:
        kind = pyarrow.large_binary()
        rewrite_tables(folder, lambda table: table.set_column(0, "img", table["img"].cast(kind)))
    assert read_container(folder, cifar) == records


def test_a_table_has_other_columns_in_any_order(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)

    def change(table: pyarrow.Table) -> pyarrow.Table:
        return table.append_column("id", pyarrow.array(range(len(table)))).select(["label", "id", "img"])

    assert read_container(rewrite_tables(folder, change), cifar) == records


def hub_cache(place: Path, cifar: Cifar, records: dict[str, bytes]) -> Path:
    """What huggingface_hub leaves: snapshots of links into a folder of blobs."""
    made = write_parquet(place / "made", cifar, records)
    repository = place / "hub" / "datasets--uoft-cs--cifar10"
    snapshot = repository / "snapshots" / "0b2714" / "plain_text"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0b2714")
    for number, file in enumerate(sorted(made.iterdir())):
        blob = file.rename(repository / "blobs" / f"{number:064x}")
        (snapshot / file.name).symlink_to(Path("../../../blobs") / blob.name)
    made.rmdir()
    return place / "hub"


@pytest.mark.parametrize("depth", range(5))
def test_the_cache_of_the_hub_is_read_from_every_level(depth: int, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    steps = ("datasets--uoft-cs--cifar10", "snapshots", "0b2714", "plain_text")[:depth]
    assert read_container(hub_cache(tmp_path, cifar, records).joinpath(*steps), cifar) == records


@pytest.mark.parametrize("given", ["", "refs", "refs/plain_text"])
def test_tables_that_the_hub_converted_are_read(given: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    made = write_parquet(tmp_path / "made", cifar, records)
    for split in ("train", "test"):
        folder = tmp_path / "hub" / "refs" / "plain_text" / split
        folder.mkdir(parents=True)
        next(made.glob(f"{split}*")).rename(folder / "0000.parquet")
    assert read_container(tmp_path / "hub" / given, cifar) == records
    with pytest.raises(DataError, match="hub"):
        read_container(tmp_path / "hub" / "refs" / "plain_text" / "train", cifar)


def test_tables_in_parts_with_the_name_of_the_set_are_read_in_order(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    (tmp_path / "set").mkdir()
    for split, files in (("train", cifar.train), ("test", cifar.test)):
        for number, file in enumerate(files):
            labels, pixels = rows(cifar, records[file])
            images = [
                {"bytes": png(image.reshape(3, 32, 32)), "path": f"{i}.png"} for i, image in enumerate(pixels)
            ]
            table = pyarrow.table({"image": images, "label": labels[:, 0].astype(np.int64)})
            parquet.write_table(
                table, tmp_path / "set" / f"cifar10-{split}-{number:05}-of-{len(files):05}.parquet"
            )
    assert read_container(tmp_path / "set", cifar) == records


def test_another_data_set_beside_it_does_not_matter(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    hub_cache(tmp_path, cifar, records)
    write_parquet(tmp_path / "hub" / "a", *small_cifar100())
    damaged = write_parquet(tmp_path / "hub" / "b", cifar, records)
    next(damaged.glob("test*")).write_bytes(b"PAR1")
    assert read_container(tmp_path / "hub", cifar) == records


def test_a_folder_that_links_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        read_container(tmp_path, small_cifar10()[0])


def zipped(folder: Path, path: Path, inner: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                opened.write(file, f"{inner}{file.relative_to(folder)}")
    return path


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py/", "data\\cifar-10-batches-py\\"])
@pytest.mark.parametrize("name", ["archive.zip", "cifar-10-python.tar.gz", "download"])
def test_a_zip_is_read_whatever_it_is_called(inner: str, name: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "made", cifar, records)
    assert read_container(zipped(folder, tmp_path / name, inner), with_md5(cifar, folder)) == records


def test_archives_keep_folders_apart(tmp_path: Path) -> None:
    """Both tables are called 0000.parquet."""
    cifar, records = small_cifar10()
    made = write_parquet(tmp_path / "made", cifar, records)
    for split in ("train", "test"):
        (made / split).mkdir()
        next(made.glob(f"{split}-*")).rename(made / split / "0000.parquet")
    assert read_container(zipped(made, tmp_path / "a.zip", "x/"), cifar) == records
    assert read_container(archive(made, tmp_path / "a.tar.gz"), cifar) == records


def test_links_within_an_archive_are_followed(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    assert (
        read_container(archive(hub_cache(tmp_path, cifar, records), tmp_path / "hub.tar.gz"), cifar)
        == records
    )


def test_a_zip_cannot_write_outside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as opened:
        for name in (f"../../..{tmp_path}/escaped", f"{tmp_path}/escaped", "..\\..\\escaped"):
            opened.writestr(name, b"evil")
    with pytest.raises(DataError, match=r"evil\.zip"):
        read_container(tmp_path / "evil.zip", small_cifar10()[0])
    assert not list(tmp_path.rglob("escaped"))


def test_a_link_out_of_an_archive_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    with tarfile.open(tmp_path / "evil.tar", "w") as opened:
        link = tarfile.TarInfo("data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        opened.addfile(link)
    with pytest.raises(DataError, match=r"evil\.tar"):
        read_container(tmp_path / "evil.tar", small_cifar10()[0])


@pytest.mark.parametrize("cut", [100, 5000])
def test_a_cut_zip_is_named(cut: int, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    path = zipped(write_binary(tmp_path / "made", records), tmp_path / "a.zip", "")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match=r"a\.zip: .*ZIP"):
        read_container(path, cifar)


OTHER_FILES = {
    b"<!DOCTYPE html>\n<html><body>404</body></html>": "web page",
    b"\n\n  <HTML lang=en>": "web page",
    b"<!-- saved -->\n<html>\xc3\xa9": "web page",
    b"<html><title>Acc\xe8s refus\xe9</title>": "web page",
    "<html><title>Zugriff</title>".encode("utf-16"): "web page",
    "Zugriff verweigert, Schl\xfcssel".encode("latin-1"): "text",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n": "Git LFS",
    b'{"error": "Access denied"}': "text",
    b"7z\xbc\xaf\x27\x1c\0\4": "7-Zip",
    b"Rar!\x1a\x07\x01\0": "RAR",
    b"": "empty",
}


@pytest.mark.parametrize("content", OTHER_FILES)
@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "page.tar.gz"])
def test_what_is_no_archive_is_recognised(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: .*{OTHER_FILES[content]}"):
        read_container(tmp_path / name, small_cifar10()[0])


@pytest.mark.parametrize("content", OTHER_FILES)
def test_what_is_no_table_is_recognised(content: bytes, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    (file,) = folder.glob("test*")
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file.name}: .*{OTHER_FILES[content]}"):
        read_container(folder, cifar)


def test_a_compressed_page_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"<!doctype html><title>sign in</title>" * 100))
    with pytest.raises(DataError, match=r"a\.tar\.gz: .*web page"):
        read_container(tmp_path / "a.tar.gz", small_cifar10()[0])


def test_an_archive_that_holds_a_page_is_no_page(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_binary(tmp_path / "made", records)
    (folder / "a.html").write_text("<html></html>")
    for path in (archive(folder, tmp_path / "a.tgz"), zipped(folder, tmp_path / "a.zip", "")):
        assert read_container(path, cifar) == records


def test_one_table_alone_is_told_to_need_its_folder(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    (file,) = folder.glob("test*")
    with pytest.raises(DataError, match=rf"{file.name}: .*Parquet.*folder"):
        read_container(file, cifar)


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "my-cifar10.zip"])
def test_a_folder_that_holds_the_archive_is_read(name: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "made", cifar, records)
    (tmp_path / "downloads" / "deeper").mkdir(parents=True)
    path = tmp_path / "downloads" / "deeper" / name
    if name.endswith(".zip"):
        zipped(folder, path, "")
    else:
        archive(folder, path)
    cifar = with_md5(cifar, folder)
    shutil.rmtree(folder)
    assert read_container(tmp_path / "downloads", cifar) == records


def test_other_archives_of_a_folder_are_named_and_not_unpacked(tmp_path: Path) -> None:
    (tmp_path / "holidays.zip").write_bytes(b"PK\3\4" + b"\0" * 99)
    with pytest.raises(DataError, match=r"holidays\.zip"):
        read_container(tmp_path, small_cifar10()[0])


def test_messages_about_archives_name_the_archive(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_pickles(tmp_path / "made", cifar, records)
    (folder / "test_batch").unlink()
    with pytest.raises(DataError, match=r"^\S*/a\.zip/x/"):
        read_container(zipped(folder, tmp_path / "a.zip", "x/"), with_md5(cifar, folder))


def test_an_encrypted_zip_is_named(tmp_path: Path) -> None:
    """The flag of encryption is set in both places where a ZIP has it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.writestr("data_batch_1.bin", b"x")
    changed = bytearray(content.getvalue())
    changed[6] |= 1
    changed[changed.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(changed)
    with pytest.raises(DataError, match=r"a\.zip: "):
        read_container(tmp_path / "a.zip", small_cifar10()[0])


@pytest.mark.parametrize("names", [{"img": "Image", "label": "Label"}, {"img": "png", "label": "cls"}])
def test_columns_have_the_names_of_other_tools_in_any_case(names: dict[str, str], tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_parquet(tmp_path / "hub", cifar, records)
    assert read_container(rewrite_tables(folder, renamed(names)), cifar) == records


def test_a_snapshot_whose_blobs_are_gone_does_not_hide_another(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    repository = hub_cache(tmp_path, cifar, records) / "datasets--uoft-cs--cifar10"
    older = repository / "snapshots" / "00000" / "plain_text"
    older.mkdir(parents=True)
    for name in ("train", "test"):
        (older / f"{name}-00000-of-00001.parquet").symlink_to("../../../blobs/gone")
    assert read_container(repository, cifar) == records
    for blob in (repository / "blobs").iterdir():
        blob.unlink()
    with pytest.raises(DataError, match=r"snapshots/.*parquet: "):
        read_container(repository, cifar)


def test_hard_links_of_an_archive_are_files_and_dead_links_nothing(tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    folder = write_binary(tmp_path / "made", records)
    first = sorted(folder.iterdir())[0]
    (folder / "aa-other-name").hardlink_to(first)
    (folder / "dead").symlink_to("nowhere")
    path = archive(folder, tmp_path / "a.tar.gz")
    with tarfile.open(path) as opened:
        assert any(member.islnk() for member in opened)
    assert read_container(path, cifar) == records


@pytest.mark.parametrize(
    "name",
    [
        "CIFAR-10-PYTHON.TAR.GZ",
        "cifar-10-python.tar.gz.1",
        "cifar-10-python.tar (1).gz",
        "cifar-10-python (2).tgz",
    ],
)
def test_a_second_download_in_a_folder_is_read(name: str, tmp_path: Path) -> None:
    cifar, records = small_cifar10()
    archive(write_binary(tmp_path / "made", records), tmp_path / "a.tgz")
    (tmp_path / "downloads").mkdir()
    (tmp_path / "a.tgz").rename(tmp_path / "downloads" / name)
    assert read_container(tmp_path / "downloads", cifar) == records


def test_an_empty_zip_is_called_a_zip(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "a.tar.gz", "w").close()
    with pytest.raises(DataError, match=r"a\.tar\.gz: .*cifar10"):
        read_container(tmp_path / "a.tar.gz", small_cifar10()[0])
