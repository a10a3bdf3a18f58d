"""What a file is that should be an archive or a Parquet file: downloads often leave something else."""

import codecs
import zlib
from pathlib import Path

from resunit.io.downloads import BYTES_LOOKED_AT, describe_beginning

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
BEGINNINGS = {
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it and give the folder",
    b"Rar!": "a RAR archive; unpack it and give the folder",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive; unpack it and give the folder",
    PARQUET: "a single Parquet file; give the folder that holds it and the other one",
    b"\x80\x02": "a single Python pickle; give the folder that holds it and the others",
}


def describe_other_file(path: Path) -> str | None:
    """Return what a file is and what to do, if it is no archive; None if it may be one.

    Raises:
        OSError: the file cannot be read.
    """
    content = _read_beginning(path)
    for start, meaning in BEGINNINGS.items():
        if content.startswith(start):
            return meaning
    other = describe_beginning(content)
    return None if other is None else str(other)


def is_parquet(path: Path) -> bool:
    """Return whether a file begins as a Parquet file does. Raises OSError if it cannot be read."""
    return _read_beginning(path).startswith(PARQUET)


def _read_beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return _to_utf8(_decompress(file.read(BYTES_LOOKED_AT)))


def _decompress(beginning: bytes) -> bytes:
    """Return the first bytes of a gzip file's content, or `beginning` if it is none."""
    if not beginning.startswith(GZIP):
        return beginning
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(beginning, BYTES_LOOKED_AT)
    except zlib.error:
        return beginning


def _to_utf8(content: bytes) -> bytes:
    """Return a text of two bytes a letter, as its mark tells, in UTF-8; other content as it is."""
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if content.startswith(mark):
            return content.decode("utf-16", errors="ignore").encode()
    return content
