"""The records of the binary version: a byte a label, then the red, green and blue planes of the image."""

import numpy as np
import torch

from resunit.data.cifar.facts import Cifar
from resunit.data.dataset import Split
from resunit.errors import DataError

SIDE = 32  # of an image, in pixels
PIXELS = 3 * SIDE * SIDE  # bytes of one image


def encode_records(labels: np.ndarray, images: np.ndarray) -> bytes:
    """Return labels (N, label columns) and images (N, 3, 32, 32) uint8 as the records that are stored."""
    return np.concatenate([labels, images.reshape(len(labels), PIXELS)], axis=1).astype(np.uint8).tobytes()


def decode_records(contents: list[bytes], cifar: Cifar) -> Split:
    """Return the images and classes in the records of one or more files, in order."""
    width = len(cifar.label_columns) + PIXELS
    records = np.frombuffer(b"".join(contents), np.uint8).reshape(-1, width)
    images = torch.from_numpy(records[:, -PIXELS:].reshape(-1, 3, 32, 32).copy())
    labels = torch.from_numpy(records[:, -PIXELS - 1].astype(np.int64))
    return Split(images, labels)


def size_problem(content: bytes, cifar: Cifar, file: str) -> str:
    """Return what is wrong with the size of the stored file `file`, or "" if nothing is."""
    expected = cifar.files[file] * (len(cifar.label_columns) + PIXELS)
    return "" if len(content) == expected else f"has {len(content):,} bytes instead of {expected:,}"


def check_records(records: dict[str, bytes], cifar: Cifar, origin: str) -> None:
    """Check that sizes, labels and the number of images of each class are those of `cifar`.

    Nothing more can be checked where no checksums of the records were published.

    Args:
        records: the content of each stored file.
        cifar: the data set that they should be.
        origin: the container that they come from, for the message.

    Raises:
        DataError: something differs; the message names the container and the file.
    """
    for file, content in records.items():
        if problem := size_problem(content, cifar, file):
            raise DataError(f"{origin}: {file} {problem}; get a complete copy")
    for files in (cifar.train, cifar.test):
        labels = decode_records([records[file] for file in files], cifar).labels
        counts = torch.bincount(labels, minlength=len(cifar.classes))
        if len(counts) > len(cifar.classes) or len(counts.unique()) > 1:
            raise DataError(
                f"{origin}: {', '.join(files)}: the classes differ in size or number from {cifar.name}'s; "
                "get another copy"
            )
