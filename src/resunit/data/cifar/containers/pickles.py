"""The Python version: one pickle a batch, written by Python 2 and NumPy 1.

A pickle is a program. It is run only if its MD5 is the published one, and even then it may call nothing but
the functions that rebuild a NumPy array.
"""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np

from resunit.data.cifar.containers.parts import parts
from resunit.data.cifar.facts import Cifar
from resunit.data.cifar.records import PIXELS, encode
from resunit.errors import DataError

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> object:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}") from None


def unpickle(content: bytes, origin: str) -> dict:
    """The dictionary in a pickle of containers, numbers, strings and arrays; DataError for any other."""
    try:
        # Text of Python 2 is bytes to Python 3; latin1 keeps every byte, in keys and in array contents.
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a pickle that is not what it claims can fail in any way
        raise DataError(f"{origin}: refused, not a pickle of arrays ({error})") from error
    if not isinstance(batch, dict):
        raise DataError(f"{origin}: refused, not a dictionary of arrays")
    return batch


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    paths = parts(folder, (Path(file).stem for file in cifar.files))
    if paths is None:
        return None
    return {file: _read_batch(path, cifar) for file, path in zip(cifar.files, paths, strict=True)}


def _read_batch(path: Path, cifar: Cifar) -> bytes:
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != cifar.md5.get(path.name):
        raise DataError(f"{path}: altered: its MD5 is not the published one; get it again")
    batch = unpickle(content, str(path))
    try:
        labels = np.array([batch[f"{column}s"] for column in cifar.label_columns]).T
        return encode(labels, np.asarray(batch["data"]).reshape(-1, PIXELS))
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: not a batch of {cifar.name} ({error})") from error
