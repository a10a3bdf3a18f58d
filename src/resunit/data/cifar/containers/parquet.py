"""Parquet as the Hugging Face hub stores it: an image column of encoded PNGs and columns of labels."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import PIXELS, encode
from resunit.errors import DataError

NAME = "parquet"


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    """Return the records of the train*.parquet and test*.parquet in `folder`, or None if it has neither.

    Raises:
        DataError: a file is missing or damaged, has another number of images, or pyarrow is not installed.
    """
    found = {split: sorted(folder.glob(f"{split}*.parquet")) for split in ("train", "test")}
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


def _read_table(path: Path, cifar: Cifar) -> bytes:
    """Return the records in one parquet file, in its order."""
    try:
        # No other part of resunit needs this library, so it is an extra, and it is loaded only here.
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f"{path}: parquet needs pyarrow; pip install 'resunit[parquet]'") from error

    try:
        table = parquet.read_table(path, columns=["img", *cifar.label_columns])
        labels = np.stack([table[column].to_numpy() for column in cifar.label_columns], axis=1)
        with ThreadPoolExecutor() as threads:
            images = list(threads.map(_decode_png, table["img"].to_pylist()))
        return encode(labels, np.stack(images))
    except (pyarrow.ArrowException, OSError, SyntaxError, LookupError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not the {cifar.name} of the hub ({reason}); get it again") from error


def _decode_png(cell: dict[str, bytes]) -> np.ndarray:
    """Return the pixels (3, 32, 32) uint8 of the PNG in one cell of the image column."""
    with Image.open(io.BytesIO(cell["bytes"])) as image:
        return np.asarray(image.convert("RGB")).transpose(2, 0, 1)
