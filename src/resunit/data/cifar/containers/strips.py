"""PNG strips, as in an npm package: one PNG a file, one image of 1024 pixels a line; the labels are JSON."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from resunit.data.cifar.containers.parts import find_parts
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import encode_records
from resunit.errors import DataError, reason_of

NAME = "PNG strips"
LABELS = ("train_lables.json", "test_lables.json")  # The package spells them so.


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    """Return the records of the PNGs and labels in `folder`, or None if it has none of them.

    Raises:
        DataError: a file is missing or damaged, or has another number of images.
    """
    paths = find_parts(folder, [*(f"{Path(file).stem}.png" for file in cifar.files), *LABELS])
    if paths is None:
        return None
    *strips, train_labels, test_labels = paths
    labels = np.concatenate([_read_labels(train_labels), _read_labels(test_labels)])
    expected = sum(cifar.files.values())
    if len(labels) != expected:
        raise DataError(f"{folder}: {len(labels):,} labels for {expected:,} images; get a complete copy")
    ends = np.cumsum(list(cifar.files.values()))[:-1]
    return {
        file: encode_records(part, _read_images(strip, len(part)))
        for file, strip, part in zip(cifar.files, strips, np.split(labels, ends), strict=True)
    }


def _read_labels(path: Path) -> np.ndarray:
    """Return the labels (N, 1) uint8 in a JSON list."""
    try:
        return np.array(json.loads(path.read_bytes()), dtype=np.uint8).reshape(-1, 1)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: not a list of labels ({error}); get it again") from error


def _read_images(path: Path, count: int) -> np.ndarray:
    """Return the images (count, 3, 32, 32) uint8 in a PNG of `count` lines."""
    try:
        with Image.open(path, formats=["PNG"]) as strip:
            if strip.size != (1024, count):
                size = f"{strip.width} x {strip.height}"
                raise DataError(f"{path}: {size} pixels instead of 1024 x {count}; get it again")
            pixels = np.asarray(strip.convert("RGB"))
    except DataError:
        raise
    except Exception as error:  # Damaged images fail in many ways.
        raise DataError(f"{path}: not a whole PNG ({reason_of(error)}); get it again") from error
    return pixels.transpose(0, 2, 1).reshape(count, 3, 32, 32)
