"""The binary version: the stored files themselves."""

from pathlib import Path

from ..cifar import Cifar
from .parts import parts


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    paths = parts(folder, cifar.files)
    return None if paths is None else {path.name: path.read_bytes() for path in paths}
