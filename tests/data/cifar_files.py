"""Small data sets in the formats of CIFAR, in every container, written as the originals are."""

import hashlib
import io
import json
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

from resunit.data.cifar.facts import CIFAR10, CIFAR100, Cifar
from resunit.data.cifar.records import PIXELS


def small_cifar10() -> tuple[Cifar, dict[str, bytes]]:
    """Twenty images a file, and the records that every container must give back."""
    files = dict.fromkeys(CIFAR10.files, 20)
    return _small(
        replace(CIFAR10, train=dict.fromkeys(CIFAR10.train, 20), test={"test_batch.bin": 20}), files
    )


def small_cifar100() -> tuple[Cifar, dict[str, bytes]]:
    """Two images of each of the hundred classes to train on, one to test."""
    small = replace(CIFAR100, train={"train.bin": 200}, test={"test.bin": 100})
    return _small(small, dict(small.files))


def _small(cifar: Cifar, files: dict[str, int]) -> tuple[Cifar, dict[str, bytes]]:
    random = np.random.default_rng(0)
    records = {}
    for file, count in files.items():
        labels = random.permutation(np.arange(count) % len(cifar.classes))
        columns = [labels % 20, labels] if len(cifar.label_columns) == 2 else [labels]
        pixels = random.integers(0, 256, (count, PIXELS))
        records[file] = np.column_stack([*columns, pixels]).astype(np.uint8).tobytes()
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in records.items()}
    return replace(cifar, sha256=digests if cifar.sha256 else {}, md5={}, sources=()), records


def rows(cifar: Cifar, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(N, label columns) and (N, 3072) of a file's records."""
    table = np.frombuffer(content, np.uint8).reshape(-1, len(cifar.label_columns) + PIXELS)
    return table[:, :-PIXELS], table[:, -PIXELS:]


def with_md5(cifar: Cifar, folder: Path) -> Cifar:
    """The same set, with the files in `folder` as the published ones."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return replace(cifar, md5={path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in files})


def write_binary(folder: Path, records: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for file, content in records.items():
        (folder / file).write_bytes(content)
    (folder / "batches.meta.txt").write_text("airplane\n")
    return folder


def write_pickles(folder: Path, cifar: Cifar, records: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for file, content in records.items():
        labels, pixels = rows(cifar, content)
        batch: dict[str, object] = {"batch_label": file, "data": pixels}
        for column, values in zip(cifar.label_columns, labels.T, strict=True):
            batch[f"{column}s"] = values.tolist()
        (folder / Path(file).stem).write_bytes(python2_pickle(batch))
    return folder


def python2_pickle(value: object) -> bytes:
    """What cPickle of Python 2 wrote with protocol 2, NumPy 1 arrays and byte strings included."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: object) -> bytes:
    match value:
        case str():
            text = value.encode("latin1")
            return (
                b"U" + bytes([len(text)]) if len(text) < 256 else b"T" + struct.pack("<i", len(text))
            ) + text
        case int():
            return b"J" + struct.pack("<i", value)
        case list():
            return b"](" + b"".join(map(_python2, value)) + b"e"
        case dict():
            return b"}(" + b"".join(_python2(key) + _python2(item) for key, item in value.items()) + b"u"
        case np.ndarray():
            empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
            minus_one = b"J\xff\xff\xff\xff"
            dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * minus_one + b"K\x00tb"
            shape = _python2(value.shape[0]) + _python2(value.shape[1]) + b"\x86"
            text = _python2(value.tobytes().decode("latin1"))
            return empty + b"(K\x01" + shape + dtype + b"\x89" + text + b"tb"
    raise TypeError(type(value))


def write_parquet(folder: Path, cifar: Cifar, records: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for split, files in (("train", cifar.train), ("test", cifar.test)):
        labels, pixels = rows(cifar, b"".join(records[file] for file in files))
        images = [{"bytes": png(image.reshape(3, 32, 32)), "path": None} for image in pixels]
        columns = dict(zip(cifar.label_columns, labels.T.astype(np.int64), strict=True))
        table = pyarrow.table({"img": images, **columns})
        parquet.write_table(table, folder / f"{split}-00000-of-00001.parquet", row_group_size=30)
    return folder


def write_strips(folder: Path, cifar: Cifar, records: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for file, content in records.items():
        _, pixels = rows(cifar, content)
        strip = pixels.reshape(-1, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(strip.copy()).save(folder / f"{Path(file).stem}.png")
    for split, files in (("train", cifar.train), ("test", cifar.test)):
        labels = [int(label) for file in files for label in rows(cifar, records[file])[0][:, 0]]
        (folder / f"{split}_lables.json").write_text(json.dumps(labels))
    return folder


def png(image: np.ndarray) -> bytes:
    """(3, H, W) uint8, encoded."""
    encoded = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).copy()).save(encoded, format="PNG")
    return encoded.getvalue()


def archive(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return path
