"""NumPy's .npz archives, the one format that Keras users write without a further library."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resunit.errors import FileFormatError, reason_of

SUFFIX = ".npy"
LARGEST_GROWTH = (
    10  # Weights hardly compress, so an archive that unpacks to more than this is no archive of weights.
)


def is_numpy_archive(path: Path) -> bool:
    """Return whether a file is a zip archive of arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return bool(names) and all(name.endswith(SUFFIX) for name in names)


def read_numpy_archive(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an archive by name; an array of Python objects is refused, because it is a pickle.

    Raises:
        FileFormatError: the archive is damaged or would unpack to far more than its size, or holds no numbers.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > LARGEST_GROWTH * path.stat().st_size:
        raise FileFormatError(f"{path}: refused, because it would unpack to {unpacked:,} bytes")
    found: dict[str, Tensor] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                found[name] = torch.from_numpy(np.ascontiguousarray(archive[name]))
    except Exception as error:  # Damaged archives fail in many ways: zlib, zipfile, NumPy's header, memory.
        raise FileFormatError(
            f"{path}: not an archive of plain arrays ({reason_of(error)}); write it again"
        ) from error
    return found
