"""Parquet as the hubs store it: a column of encoded images and columns of labels."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resunit.data.cifar.containers.file_kinds import describe_other_file, is_parquet
from resunit.data.cifar.containers.unpacking import MOST_BYTES
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import PIXELS, SIDE, encode_records
from resunit.data.image_files import image_formats
from resunit.errors import DataError, reason_of

NAME = "parquet"
ENDING = ".parquet"
IMAGE_COLUMNS = ("img", "image", "images", "png", "jpg", "image_bytes", "bytes", "file")
LABEL_COLUMNS = {
    "label": ("label", "labels", "class", "target", "targets", "cls", "y"),
    "fine_label": ("fine_label", "fine_labels", "label", "labels", "class", "target", "targets", "cls", "y"),
    "coarse_label": ("coarse_label", "coarse_labels", "superclass"),
}
"""The names, in lower case, that copies of the data sets give to a column of labels."""


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    """Return the records of the Parquet files of `folder`, or None if it has none of either split.

    A split's files are called train*.parquet or *-train-*.parquet, or lie in a folder called train.

    Raises:
        DataError: a file is missing or damaged, has another number of images, or pyarrow is not installed.
    """
    found = {split: _files_of(folder, split) for split in ("train", "test")}
    if not any(found.values()):
        return None
    records = {}
    for split, files in (("train", cifar.train), ("test", cifar.test)):
        if not found[split]:
            raise DataError(f"{folder / split}*.parquet: missing; get a complete copy")
        content = b"".join(_read_table(path, cifar) for path in found[split])
        width = len(cifar.label_columns) + PIXELS
        if len(content) != sum(files.values()) * width:
            count = len(content) // width
            raise DataError(
                f"{found[split][0]}: {count:,} images instead of {sum(files.values()):,}; get a complete copy"
            )
        start = 0
        for file, count in files.items():
            records[file] = content[start : start + count * width]
            start += count * width
    return records


def _files_of(folder: Path, split: str) -> list[Path]:
    """Return the Parquet files of a split, in order."""
    at_a_words_start = re.compile(rf"(^|[-_.]){split}")
    named = [path for path in _parquet_files(folder) if at_a_words_start.search(path.name.lower())]
    return named or _parquet_files(folder / split)


def _parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder, by name; parts that are counted without leading zeros, by their number."""
    return sorted(folder.glob(f"*{ENDING}"), key=_order)


def _order(path: Path) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", path.name)]


def _read_table(path: Path, cifar: Cifar) -> bytes:
    """Return the records in one parquet file, in its order."""
    if not is_parquet(path) and (other := describe_other_file(path)) is not None:
        raise DataError(f"{path}: no Parquet file but {other}")
    try:
        # No other part of resunit needs this library, so it is an extra, and it is loaded only here.
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: parquet needs pyarrow; pip install 'resunit[parquet]'") from error

    try:
        described = parquet.read_metadata(path)
        _refuse_bomb(described, cifar)
        names = described.schema.to_arrow_schema().names
        image = _column(path, names, IMAGE_COLUMNS)
        columns = [_column(path, names, LABEL_COLUMNS[column]) for column in cifar.label_columns]
        table = parquet.read_table(path, columns=[image, *columns])
        labels = np.stack([_to_numbers(table[column].to_pylist(), cifar) for column in columns], axis=1)
        with ThreadPoolExecutor() as threads:
            images = list(threads.map(_decode_png, table[image].to_pylist()))
        return encode_records(labels, np.stack(images))
    except DataError:
        raise
    except Exception as error:  # A damaged file can fail in any way, in pyarrow or in Pillow.
        reason = reason_of(error)
        raise DataError(f"{path}: not the {cifar.name} of the hub ({reason}); get it again") from error


def _refuse_bomb(described: Any, cifar: Cifar) -> None:
    """Raise ValueError if a file says that it has more rows, or unpacks to more bytes, than the data set can have."""
    if described.num_rows > sum(cifar.files.values()):
        raise ValueError(f"{described.num_rows:,} rows")
    unpacked = sum(described.row_group(number).total_byte_size for number in range(described.num_row_groups))
    if unpacked > MOST_BYTES:
        raise ValueError(f"it would unpack to {unpacked:,} bytes")


def _column(path: Path, names: list[str], known: tuple[str, ...]) -> str:
    """Return the name of a column, which is one of `known` in capital or small letters."""
    by_lower_case = {name.lower(): name for name in names}
    for name in known:
        if name in by_lower_case:
            return by_lower_case[name]
    raise DataError(
        f"{path}: has the columns {', '.join(names)} and none of {', '.join(known)}; "
        "give the column that is meant one of these names"
    )


def _to_numbers(labels: list[Any], cifar: Cifar) -> np.ndarray:
    """Return labels as whole numbers (N,): each is a number, a list of one, or the name of a class."""
    numbers = {name: number for number, name in enumerate(cifar.classes)}
    found = [numbers.get(label, label) if isinstance(label, str) else label for label in labels]
    return np.asarray(found).reshape(len(found)).astype(np.int64)


def _decode_png(cell: Any) -> np.ndarray:
    """Return the pixels (3, 32, 32) uint8 of the image in one cell of the image column, most often a PNG.

    A cell is the encoded image itself, or a structure with its bytes and the path that it had.

    Raises:
        TypeError: the cell holds no bytes.
        ValueError: the image is larger than those of CIFAR; it is not decoded.
    """
    encoded = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(encoded, bytes):
        kind = "a path without the file's bytes" if isinstance(cell, dict | str) else "no encoded file"
        raise TypeError(f"an image is {kind}")
    with Image.open(io.BytesIO(encoded), formats=image_formats()) as image:
        if image.size != (SIDE, SIDE):
            raise ValueError(f"an image of {image.width} x {image.height} pixels")
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
