"""The binary version's records: the labels, a byte each, then the red, green and blue planes of the image."""

import numpy as np
import torch

from resunit.data.cifar.facts import Cifar
from resunit.data.dataset import Split
from resunit.errors import DataError

PIXELS = 3 * 32 * 32


def encode(labels: np.ndarray, images: np.ndarray) -> bytes:
    """(N, label columns) and (N, 3, 32, 32) uint8 -> the records as they are stored."""
    return np.concatenate([labels, images.reshape(len(labels), PIXELS)], axis=1).astype(np.uint8).tobytes()


def decode(contents: list[bytes], cifar: Cifar) -> Split:
    """The records of one or more files, joined; the last label of a record is its class."""
    width = len(cifar.label_columns) + PIXELS
    records = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, width)
    images = torch.from_numpy(records[:, -PIXELS:].reshape(-1, 3, 32, 32).copy())
    labels = torch.from_numpy(records[:, -PIXELS - 1].astype(np.int64))
    return Split(images, labels)


def check_size(content: bytes, cifar: Cifar, file: str) -> str:
    """What is wrong with the size of a stored file, or ""."""
    expected = cifar.files[file] * (len(cifar.label_columns) + PIXELS)
    return "" if len(content) == expected else f"has {len(content):,} bytes instead of {expected:,}"


def check_records(records: dict[str, bytes], cifar: Cifar, origin: str) -> None:
    """Raise DataError unless sizes, labels and class counts are what a `cifar` must have.

    This is all that can be checked where nobody published checksums of the records.
    """
    for file, content in records.items():
        if problem := check_size(content, cifar, file):
            raise DataError(f"{origin}: {file} {problem}; get a complete copy")
    for files in (cifar.train, cifar.test):
        labels = decode([records[file] for file in files], cifar).labels
        counts = torch.bincount(labels, minlength=len(cifar.classes))
        if len(counts) > len(cifar.classes) or len(counts.unique()) > 1:
            raise DataError(
                f"{origin}: the labels of {', '.join(files)} are not those of {cifar.name}; get another copy"
            )
