"""The Python version: one pickle a file, written by Python 2 and NumPy 1.

A pickle is a program. It runs only if its MD5 is the published one, and even then it may call nothing but the
functions that rebuild a NumPy array.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from resunit.data.cifar.containers.parts import find_parts
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import PIXELS, encode_records
from resunit.errors import DataError, reason_of

NAME = "Python pickles"

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    """Return the records of the pickles in `folder`, or None if it has none of them.

    Raises:
        DataError: a pickle is missing, is not the published one, or holds something else.
    """
    paths = find_parts(folder, (Path(file).stem for file in cifar.files))
    if paths is None:
        return None
    return {file: _read_pickle(path, cifar) for file, path in zip(cifar.files, paths, strict=True)}


def _read_pickle(path: Path, cifar: Cifar) -> bytes:
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != cifar.md5.get(path.name):
        raise DataError(f"{path}: altered: its MD5 is not the published one; get it again")
    arrays = unpickle(content, str(path))
    try:
        labels = np.array([arrays[f"{column}s"] for column in cifar.label_columns]).T
        return encode_records(labels, np.asarray(arrays["data"]).reshape(-1, PIXELS))
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: not images of {cifar.name} ({error}); get another copy") from error


def unpickle(content: bytes, origin: str) -> dict[str, Any]:
    """Return the dictionary in a pickle of containers, numbers, strings and arrays.

    Args:
        content: the pickle.
        origin: the file that it comes from, for the message.

    Raises:
        DataError: the pickle asks for anything else, is damaged, or is not a dictionary.
    """
    try:
        # Text of Python 2 is bytes to Python 3; latin1 keeps every byte, in keys and in array contents.
        arrays = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # A pickle that is not what it claims to be can fail in any way.
        raise DataError(
            f"{origin}: refused, not a pickle of arrays ({reason_of(error)}); get another copy"
        ) from error
    if not isinstance(arrays, dict):
        raise DataError(f"{origin}: refused, not a dictionary of arrays; get another copy")
    return arrays


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> object:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}") from None
