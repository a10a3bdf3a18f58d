"""The binary version: the stored files themselves."""

from pathlib import Path

from resunit.data.cifar.containers.parts import find_parts
from resunit.data.cifar.facts import Cifar

NAME = "binary version"


def read(folder: Path, cifar: Cifar) -> dict[str, bytes] | None:
    """Return the files' contents, or None if none of the files is in `folder`."""
    paths = find_parts(folder, cifar.files)
    return None if paths is None else {path.name: path.read_bytes() for path in paths}
