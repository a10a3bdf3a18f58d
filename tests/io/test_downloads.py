"""Files that are not what their names say, as downloads leave them: images, weights and archives are told alike."""

from pathlib import Path

import pytest

from resunit.data.cifar.containers import read_container
from resunit.data.cifar.facts import CIFAR10
from resunit.data.images import read_images
from resunit.errors import ResunitError
from resunit.interop.foreign_file import read_foreign
from resunit.io.tensors import read_tensors

OTHER_FILES = {
    "an empty file": b"",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 45000000\n",
    "a web page": b"\n<!DOCTYPE html><html>404",
    "a text": "Zugriff verweigert: \u00fc".encode("latin1"),
    "a HEIC photograph": b"\0\0\0\x18ftypheic" + bytes(40),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\0",
    "a video": b"\0\0\0\x18ftypmp42" + bytes(40),
    "an SVG drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}
READERS = {
    "cat.jpg": lambda path: read_images([path], 8),
    "weights.safetensors": lambda path: read_tensors(path, "resunit"),
    "model.pth": read_foreign,
    "cifar.tar.gz": lambda path: read_container(path, CIFAR10),
}


@pytest.mark.parametrize("what", OTHER_FILES)
@pytest.mark.parametrize("name", READERS)
def test_the_kind_of_another_file_is_said(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(OTHER_FILES[what])
    with pytest.raises(ResunitError, match=rf"^{tmp_path / name}: .*{what}.*; \w+ "):
        READERS[name](tmp_path / name)
