"""Give readers bytes that a coverage-guided fuzzer makes: python -m tests.closed_doors.fuzz READER SECONDS

It needs `pip install atheris`, which is no dependency. READER is a key of READERS below. It ends with an error, and
keeps the bytes in the current folder, if a reader raises another error than resunit's own, names no file, takes 20 s
or needs 4 GiB. The first byte of an input to `archive` and `image` chooses the ending of the file's name.
"""

import io
import json
import shutil
import struct
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import atheris  # pyright: ignore
import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet as pyarrow_parquet

with atheris.instrument_imports(  # pyright: ignore
    include=["resunit", "json", "safetensors", "tarfile", "zipfile", "pickle", "PIL", "numpy.lib"]
):
    from resunit.data.cifar.containers import parquet, read_container, strips
    from resunit.data.cifar.containers.pickles import unpickle
    from resunit.data.cifar.facts import CIFAR10
    from resunit.data.cifar.records import PIXELS
    from resunit.data.images import decode_image
    from resunit.errors import ResunitError
    from resunit.interop.foreign_file import read_foreign
    from resunit.models.registry import network_spec
    from resunit.models.weights import KIND, read_weights, spec_to_json
    from resunit.runs.record_files import read_all
    from resunit.runs.schema import LogLine, PropagationLine, RunResult
    from resunit.training.recipe import read_recipe

RUN = Path(__file__).parents[1] / "data" / "format1" / "done"
DATA = bytes(64)
NO_HEADER = 255  # A file that begins with this byte is not given the length of its header.


def header_of(network: Any) -> bytes:
    """Return the header of a weights file with this network."""
    record = {
        "format": 2,
        "resunit": "0",
        "network": network,
        "classes": [],
        "preprocessing": {},
        "result": {},
    }
    tensors = {"w": {"dtype": "F32", "shape": [16], "data_offsets": [0, len(DATA)]}}
    return json.dumps({"__metadata__": {KIND: json.dumps(record)}, **tensors}).encode()


def give(reader: Callable[[Path], object], content: bytes, name: str, names: str | None = None) -> None:
    """Give a reader a file; if it refuses the file, the message names the file, or `names` where that is given."""
    path = FOLDER / name
    path.write_bytes(content)
    try:
        reader(path)
    except ResunitError as error:
        message = str(error)
        assert str(FOLDER / (names or name)) in message, message
        assert "\n" not in message, message


def weights(content: bytes) -> None:
    """Read the bytes as a header."""
    whole = struct.pack("<Q", len(content)) + content + DATA
    for reader in (read_weights, read_foreign):
        give(reader, content[1:] if content[:1] == bytes([NO_HEADER]) else whole, "weights.safetensors")


def network(content: bytes) -> None:
    """Build the network that the bytes describe as JSON."""
    try:
        header = header_of(json.loads(content))
    except (ValueError, RecursionError):
        return
    whole = struct.pack("<Q", len(header)) + header + DATA
    give(lambda path: read_weights(path).build(), whole, "weights.safetensors")


def records(content: bytes) -> None:
    for kind in (LogLine, PropagationLine, RunResult):
        give(lambda path, kind=kind: read_all(kind, path), content, "log.jsonl")


def recipe(content: bytes) -> None:
    give(read_recipe, content, "recipe.json")


def foreign(content: bytes) -> None:
    give(read_foreign, content, "weights.pth")


ARCHIVES = ("cifar.tar", "cifar.tar.gz", "cifar.zip", "data_batch_1.bin")
IMAGES = (".png", ".jpg", ".gif", ".tif", ".bmp", ".webp", ".ppm", ".psd", ".avif", ".ico")
SMALL = replace(CIFAR10, train={"data_batch_1.bin": 20}, test={"test_batch.bin": 20}, md5={}, sha256={})
"""A CIFAR-10 of twenty images a file."""


def archive(content: bytes) -> None:
    """Look for CIFAR in an archive, or in a folder with the bytes as its batches."""
    name = ARCHIVES[content[0] % len(ARCHIVES)] if content else ARCHIVES[0]
    if name.endswith(".bin"):
        folder = FOLDER / "batches"
        folder.mkdir(exist_ok=True)
        for file in SMALL.files:
            (folder / file).write_bytes(content[1:])
        give(lambda path: read_container(path.parent, SMALL), content[1:], f"batches/{name}", names="batches")
    else:
        give(lambda path: read_container(path, SMALL), content[1:], name)


def batch(content: bytes) -> None:
    """Read the bytes as a pickle of CIFAR, as if its MD5 were the published one."""
    give(lambda path: unpickle(path.read_bytes(), str(path)), content, "data_batch_1")


def table(content: bytes) -> None:
    """Read the bytes as the Parquet file of either split."""
    folder = FOLDER / "table"
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "test.parquet").write_bytes(content)
    give(lambda path: parquet.read(path.parent, SMALL), content, "table/train.parquet", names="table")


def strip(content: bytes) -> None:
    """Read the bytes as the strip of images, and as the labels, of the npm package."""
    folder = FOLDER / "strips"
    folder.mkdir(exist_ok=True)
    for images, labels in ((content, LABELS), (STRIP, content)):
        for name in strips.LABELS:
            (folder / name).write_bytes(labels)
        (folder / "test_batch.png").write_bytes(images)
        give(lambda path: strips.read(path.parent, SMALL), images, "strips/data_batch_1.png", names="strips")


def image(content: bytes) -> None:
    """Decode the bytes as an image file."""
    if content:
        give(lambda path: decode_image(path, 32), content[1:], f"image{IMAGES[content[0] % len(IMAGES)]}")


def arrays(content: bytes) -> None:
    """Read the bytes as NumPy's archive, and as the one file in such an archive."""
    give(read_foreign, content, "weights.npz")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("w.npy", content)
    give(read_foreign, packed.getvalue(), "weights.npz")


def tar_of(ending: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=f"w{ending}") as file:  # pyright: ignore
        member = tarfile.TarInfo("cifar/data_batch_1.bin")
        member.size, member.pax_headers = 64, {"comment": "a"}
        file.addfile(member, io.BytesIO(bytes(64)))
        link = tarfile.TarInfo("cifar/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "data_batch_1.bin"
        file.addfile(link)
    return packed.getvalue()


def zip_of() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cifar/data_batch_1.bin", bytes(64))
    return packed.getvalue()


def image_of(kind: str, width: int = 4, height: int = 3) -> bytes:
    file = io.BytesIO()
    pixels = np.arange(3 * width * height, dtype=np.uint32).reshape(height, width, 3) % 256
    Image.fromarray(pixels.astype(np.uint8)).save(file, kind)
    return file.getvalue()


def parquet_of() -> bytes:
    file = io.BytesIO()
    cells = [{"bytes": image_of("PNG", 32, 32), "path": None}] * 2
    pyarrow_parquet.write_table(pyarrow.table({"img": cells, "label": [0, 1]}), file)
    return file.getvalue()


def npy_of(*arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, *arrays)
    return file.getvalue()


def raw_npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 2), np.float32))
    return file.getvalue()


STRIP = image_of("PNG", 1024, 20)
LABELS = json.dumps([0] * 20).encode()
KINDS = ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM")
PICKLE = b"\x80\x02}U\x04dataU\x02abs."  # {"data": "ab"} as Python 2 wrote it
SPEC = spec_to_json(network_spec("preresnet20"))
READERS: dict[str, tuple[Callable[[bytes], None], list[bytes]]] = {
    "weights": (weights, [header_of(SPEC)]),
    "network": (network, [json.dumps(SPEC).encode()]),
    "records": (records, [(RUN / name).read_bytes()[:3000] for name in ("log.jsonl", "propagation.jsonl")]),
    "recipe": (recipe, [(RUN / "recipe.json").read_bytes()]),
    "archive": (
        archive,
        [b"\0" + tar_of(""), b"\1" + tar_of(":gz"), b"\2" + zip_of(), b"\3" + bytes(PIXELS)],
    ),
    "batch": (batch, [PICKLE]),
    "table": (table, [parquet_of()]),
    "strip": (strip, [STRIP, LABELS]),
    "image": (image, [bytes([number]) + image_of(kind) for number, kind in enumerate(KINDS)]),
    "arrays": (arrays, [npy_of(np.zeros(3, np.float32)), raw_npy()]),
    "foreign": (foreign, [b"PK\x03\x04", b'{"weightsManifest": []}', b"\x80\x02"]),
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    read, seeds = READERS[sys.argv[1]]
    with TemporaryDirectory() as folder, TemporaryDirectory() as corpus:
        FOLDER = Path(folder)
        for number, seed in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={sys.argv[2]}", "-max_len=16384", "-timeout=20", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *limits, corpus], read)
        atheris.Fuzz()
