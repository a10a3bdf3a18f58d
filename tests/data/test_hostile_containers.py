"""Containers that are made to fail, to fill the memory or to run without end are refused in one line."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pyarrow
import pytest
from PIL import EpsImagePlugin, Image
from pyarrow import parquet

from resunit.data.cifar.containers import MOST_WITHIN, read_container
from resunit.data.cifar.containers.pickles import unpickle
from resunit.data.cifar.containers.unpacking import MOST_BYTES
from resunit.data.cifar.facts import Cifar
from resunit.errors import DataError
from tests.data.cifar_files import small_cifar10, write_parquet, write_strips

NO_ARCHIVES = {
    "nothing": b"",
    "half a ZIP": b"K\x03\x04\x14" + bytes(100),
    "text": b"x" * 511 + b"\0",
    "gzip of no tar": gzip.compress(b"\0" * 100 + b"x" * 100),
    "cut off": gzip.compress(bytes(100))[:-9],
}


def refusal(path: Path, cifar: Cifar | None = None) -> str:
    with pytest.raises(DataError) as raised:
        read_container(path, cifar or small_cifar10()[0])
    message = str(raised.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
@pytest.mark.parametrize("name", ["cifar.tar", "cifar.tar.gz", "cifar.zip"])
def test_no_archive_is_refused_in_one_line(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    refusal(tmp_path / name)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_not_read(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("header")
    member.type, member.size = kind, MOST_BYTES + 1
    beginning = tarfile.TarInfo("a").tobuf() + member.tobuf(format=tarfile.GNU_FORMAT)
    (tmp_path / "cifar.tar.gz").write_bytes(gzip.compress(beginning + bytes(4096)))
    assert f"a part of {MOST_BYTES + 512:,} bytes" in refusal(tmp_path / "cifar.tar.gz")


def test_a_zero_in_a_name_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a")
    member.pax_headers = {"path": "cifar/data\0batch"}
    with tarfile.open(tmp_path / "cifar.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member)
    refusal(tmp_path / "cifar.tar")


def archive_in_archives(times: int) -> bytes:
    content = b"PK\5\6" + bytes(18)
    for _ in range(times):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("cifar.zip", content)
        content = packed.getvalue()
    return content


def test_archives_in_archives_come_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "cifar.zip"
    path.write_bytes(archive_in_archives(MOST_WITHIN - 1))
    assert "holds no cifar10" in refusal(path)
    path.write_bytes(archive_in_archives(40))
    assert f"lies in {MOST_WITHIN} archives" in refusal(path)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int) -> bytes:
    """A PNG that says that it has this size, and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n" + b"%" * 100
IMAGES = {
    "bomb": png_of(20_000, 20_000),
    "large": png_of(4000, 4000),
    "program": EPS,
    "cut off": b"\x89PNG\r\n\x1a\n",
}


def table_with(path: Path, image: bytes, times: int = 1) -> Path:
    cifar, records = small_cifar10()
    write_parquet(path, cifar, records)
    (file,) = path.rglob("train*.parquet")
    cells = [{"bytes": image, "path": None}] * times
    parquet.write_table(pyarrow.table({"img": cells, "label": [0] * times}), file)
    return path


@pytest.mark.parametrize("image", [*IMAGES.values(), b""], ids=[*IMAGES, "nothing"])
def test_a_table_of_other_images_is_refused_before_they_are_decoded(
    image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run_another_program)
    refusal(table_with(tmp_path / "hub", image))


def test_a_table_of_too_many_rows_is_refused_before_it_is_read(tmp_path: Path) -> None:
    cifar, _ = small_cifar10()
    rows = sum(cifar.files.values()) + 1
    assert f"({rows:,} rows)" in refusal(table_with(tmp_path / "hub", b"no image", rows), cifar)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_a_strip_of_another_size_is_refused_before_it_is_decoded(
    image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run_another_program)
    cifar, records = small_cifar10()
    folder = write_strips(tmp_path / "npm", cifar, records)
    (folder / "data_batch_1.png").write_bytes(image)
    refusal(folder, cifar)


def run_another_program(*_: object, **__: object) -> Image.Image:
    raise AssertionError("an image ran another program")


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02Q.", b"P1\n.", b"\x80\x04\x8c\x03a\nb\x8c\x01c\x93.", pickle.dumps({"a\nb": print})],
    ids=["persistent id", "persistent name", "name of two lines", "key of two lines"],
)
def test_a_pickle_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^data_batch_1: refused[^\n]*$"):
        unpickle(content, "data_batch_1")
