"""Tensors and one JSON record in a safetensors file, every byte of which is checked on reading.

The file's metadata key, its kind, holds `{"format": 2, "sha256": ..., "record": ...}`. The SHA-256 is of
all bytes of the file, its own 64 digits taken as zeros. Format 1 had no "format", and its SHA-256 was of the
tensors alone. Pickles are never read.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, uint8

from resunit.errors import FileFormatError, ForeignFile
from resunit.io.atomic import write_atomically
from resunit.io.downloads import describe_download
from resunit.io.json_text import parse_json

FORMAT = 2
NO_DIGEST = "0" * 64
NO_METADATA: Mapping[str, str] = {}
LENGTH_BYTES = 8  # A safetensors file begins with the length of its JSON header as a little-endian integer.


def write_tensors(
    path: Path,
    kind: str,
    record: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    more_metadata: Mapping[str, str] = NO_METADATA,
) -> None:
    """Write `tensors` and `record` to a safetensors file, whole or not at all.

    Args:
        path: the file; its folder must exist.
        kind: the metadata key of the record.
        record: whatever JSON can hold; NaN and infinity are refused.
        tensors: tensors of any shapes, types and devices, by name.
        more_metadata: further metadata keys. Several keys come out in a random order, so that only a file with one
            key is always the same, byte for byte.

    Raises:
        WriteError: the operating system refused to write the file.
        ValueError: `record` holds NaN or infinity.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # The digest stands before the record, so that nothing in the record can be taken for it.
    envelope = {"format": FORMAT, "sha256": NO_DIGEST, "record": record}
    content = safetensors.torch.save(stored, {kind: json.dumps(envelope, allow_nan=False), **more_metadata})
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(path, content.replace(NO_DIGEST.encode(), digest.encode(), 1))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the record and the tensors of a file that `write_tensors` wrote, in this format or an older one.

    Args:
        path: the file.
        kind: the metadata key that the file was written with.

    Returns:
        The record, and the tensors by name, on the CPU.

    Raises:
        ForeignFile: the file is of another kind: another program's safetensors file, or pickled weights.
        FileFormatError: the file is missing, unreadable, altered, or of a newer format.
    """
    with _opened(path) as file:
        number, digest, record = _record_in(path, kind, file.metadata())
        if number > 1 and digest != _digest_of_file(path, digest):
            raise _altered(path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if number == 1 and digest != _digest_of_tensors(tensors):
        raise _altered(path)
    return record, tensors


def read_record(path: Path, kind: str) -> dict[str, Any]:
    """Return the record of a file, as `read_tensors` does; its tensors and its SHA-256 are not looked at."""
    with _opened(path) as file:
        return _record_in(path, kind, file.metadata())[2]


def select_named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose name begins with `prefix`, by the rest of their name."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; what cannot be read within the context raises FileFormatError or ForeignFile."""
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; correct the path")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _record_in(path: Path, kind: str, metadata: Mapping[str, str] | None) -> tuple[int, str, dict[str, Any]]:
    """Return the format, the SHA-256 and the record in the metadata of a file. Raises ForeignFile without a record."""
    if metadata is None or kind not in metadata:
        raise ForeignFile(f"{path}: a safetensors file that resunit did not write: it holds no {kind} record")
    return _open_envelope(path, metadata[kind])


def _open_envelope(path: Path, text: str) -> tuple[int, str, dict[str, Any]]:
    """Return the format, the SHA-256 and the record that a file's metadata hold."""
    try:
        envelope = parse_json(text)
        number = envelope.get("format", 1)
        if type(number) is not int or number < 1:
            raise ValueError(f"format {number!r}")
        if number > FORMAT:
            raise FileFormatError(
                f"{path}: its format is {number}, and this resunit reads formats up to {FORMAT}; "
                "upgrade resunit"
            )
        digest, record = envelope["sha256"], envelope["record"]
        if not isinstance(digest, str) or not isinstance(record, dict):
            raise TypeError("its sha256 or its record is of another type")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its record is damaged ({error}); get another copy") from error
    return number, digest, record


def _digest_of_file(path: Path, digest: str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal, in which `digest` itself is taken as zeros."""
    with path.open("rb") as file:
        length = file.read(LENGTH_BYTES)
        header = file.read(int.from_bytes(length, "little"))
        sha = hashlib.sha256(length + header.replace(digest.encode(), NO_DIGEST.encode(), 1))
        return hashlib.file_digest(file, lambda: sha).hexdigest()


def _digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return format 1's SHA-256, in hexadecimal: of the tensors' names, types, shapes and bytes."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(uint8).numpy().tobytes())
    return sha.hexdigest()


def _unreadable(path: Path, error: Exception) -> FileFormatError:
    if (other := describe_download(path)) is not None:
        return FileFormatError(f"{path}: not a readable safetensors file ({other.what}); {other.remedy}")
    if _is_pickled(path):
        return ForeignFile(
            f"{path}: not a readable safetensors file ({error}); pickled weights are never loaded"
        )
    return FileFormatError(
        f"{path}: not a readable safetensors file ({error}); it is damaged, cut off or another file: get another copy"
    )


def _is_pickled(path: Path) -> bool:
    """Return whether a file begins as torch.save's do: with a zip archive or, from older versions, a pickle."""
    try:
        with path.open("rb") as file:
            return file.read(4).startswith(
                (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
            )
    except OSError:
        return False


def _altered(path: Path) -> FileFormatError:
    return FileFormatError(f"{path}: damaged (its bytes are not what was written); get another copy")
