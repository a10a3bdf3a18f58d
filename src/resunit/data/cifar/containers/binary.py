"""The binary version: the stored files themselves."""

from pathlib import Path

from resunit.data.cifar.containers.parts import parts
from resunit.data.cifar.facts import Cifar


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    paths = parts(folder, cifar.files)
    return None if paths is None else {path.name: path.read_bytes() for path in paths}
