"""Tensor files: every byte is checked, older formats are read, newer ones are refused."""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from resunit.errors import FileFormatError, WriteError
from resunit.io.tensors import FORMAT, read_tensors, write_tensors

KIND = "resunit-test"
RECORD = {"step": 10, "classes": ["cat", "dog ü"], "std": [0.25]}


def some_tensors() -> dict[str, Tensor]:
    """Return tensors of several types and shapes, a scalar and an empty one among them."""
    return {
        "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3).t(),
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "count": torch.tensor(3),
        "empty": torch.empty(0, 4),
    }


def write_envelope(path: Path, envelope: object, tensors: Mapping[str, Tensor]) -> None:
    """Write a file whose metadata hold `envelope`, a JSON value or its text."""
    text = envelope if isinstance(envelope, str) else json.dumps(envelope)
    stored = {name: tensor.contiguous() for name, tensor in tensors.items()}
    path.write_bytes(safetensors.torch.save(stored, {KIND: text}))


def write_format_1(path: Path, record: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a file as resunit did before files of tensors had a format number."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    write_envelope(path, {"sha256": sha.hexdigest(), "record": record}, tensors)


def refusal(path: Path) -> str:
    """Return the message with which `path` is refused, which names the file."""
    with pytest.raises(FileFormatError, match=re.escape(str(path))) as caught:
        read_tensors(path, KIND)
    return str(caught.value)


@pytest.mark.parametrize("write", [write_format_1, lambda path, *what: write_tensors(path, KIND, *what)])
def test_both_formats_are_read(write, tmp_path: Path) -> None:
    write(tmp_path / "file", RECORD, some_tensors())
    record, tensors = read_tensors(tmp_path / "file", KIND)
    assert record == RECORD
    assert tensors.keys() == some_tensors().keys()
    for name, expected in some_tensors().items():
        assert tensors[name].dtype == expected.dtype
        assert torch.equal(tensors[name], expected)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_tensors(tmp_path / name, KIND, RECORD, some_tensors())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_record_may_hold_what_stands_for_no_digest(tmp_path: Path) -> None:
    record = {"0" * 64: "0" * 64}
    write_tensors(tmp_path / "file", KIND, record, {"0" * 64: torch.ones(2)})
    assert read_tensors(tmp_path / "file", KIND)[0] == record


def test_every_change_of_one_byte_is_found(tmp_path: Path) -> None:
    """Each byte of the header and of the data is replaced by others: each bit flipped, and white space."""
    path = tmp_path / "file.safetensors"
    write_tensors(path, KIND, {"step": 10, "class": "cat"}, {"w": torch.tensor([1.0, 2.0])})
    content = path.read_bytes()
    for place, byte in enumerate(content):
        for other in {byte ^ 1 << bit for bit in range(8)} | {*b"\t\n\r 0"} - {byte}:
            path.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
            refusal(path)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
def test_a_file_of_another_length_is_refused(change, tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", KIND, RECORD, some_tensors())
    (tmp_path / "file").write_bytes(change((tmp_path / "file").read_bytes()))
    refusal(tmp_path / "file")


def test_changed_tensors_of_format_1_are_found(tmp_path: Path) -> None:
    write_format_1(tmp_path / "file", RECORD, some_tensors())
    content = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refusal(tmp_path / "file")


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    write_envelope(tmp_path / "file", {"format": FORMAT + 1, "anything": []}, some_tensors())
    message = refusal(tmp_path / "file")
    assert str(FORMAT + 1) in message
    assert "upgrade resunit" in message


@pytest.mark.parametrize(
    "envelope",
    [
        "",
        "[" * 100_000,
        [],
        {},
        {"format": 0, "sha256": "", "record": {}},
        {"format": "2", "sha256": "", "record": {}},
        {"format": 2, "record": {}},
        {"format": 2, "sha256": 3, "record": {}},
        {"format": 2, "sha256": "", "record": []},
        {"format": 2, "sha256": "", "record": {}},
    ],
    ids=lambda envelope: str(envelope)[:40],
)
def test_a_damaged_record_is_refused(envelope: object, tmp_path: Path) -> None:
    write_envelope(tmp_path / "file", envelope, some_tensors())
    refusal(tmp_path / "file")


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x80\x02}."])
def test_what_is_no_tensor_file_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    refusal(tmp_path / "file")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file", "resunit-other", RECORD, some_tensors())
    assert KIND in refusal(tmp_path / "file")


def test_nan_in_a_record_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_tensors(tmp_path / "file", KIND, {"loss": float("nan")}, some_tensors())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="absent"):
        write_tensors(tmp_path / "absent" / "file", KIND, RECORD, some_tensors())
