"""What a file is that should hold an image, weights or an archive: downloads often leave something else."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BYTES_LOOKED_AT = 2048
CONTROLS = frozenset(range(32)) - frozenset(b"\a\b\t\n\v\f\r\x1b") | {127}  # Texts have none of these.
# They stand after four bytes.
HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")
VIDEO_BRANDS = (b"ftypisom", b"ftypiso2", b"ftypmp41", b"ftypmp42", b"ftypavc1", b"ftypM4V ", b"ftypqt  ")


@dataclass(frozen=True)
class OtherFile:
    """A file that is not what it should be."""

    what: str
    """Its kind, such as "a web page"."""
    remedy: str
    """What a user does about it."""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


EMPTY = OtherFile("an empty file", "get it again")
LFS_POINTER = OtherFile("a Git LFS pointer", "fetch the file itself with `git lfs pull`")
HEIC = OtherFile("a HEIC photograph, which Pillow does not read", "convert it to JPEG")
PDF = OtherFile("a PDF document, which Pillow does not read", "convert its pages to PNG")
VIDEO = OtherFile("a video, which Pillow does not read", "take its frames out as PNG")
SVG = OtherFile("an SVG drawing, which Pillow does not read", "convert it to PNG")
WEB_PAGE = OtherFile("a web page", "get the file that its address should have given")
TEXT = OtherFile("a text", "get the file that its address should have given")


def describe_download(path: Path) -> OtherFile | None:
    """Return what a file is, if it is of one of these kinds; None for others, and if it is not read."""
    with suppress(OSError):
        if path.is_file():  # A pipe has been read already, and would be waited for.
            with path.open("rb") as file:
                return describe_beginning(file.read(BYTES_LOOKED_AT))
    return None


def describe_beginning(content: bytes) -> OtherFile | None:
    """Return what the file is that begins with `content`; None if it is none of these kinds.

    A text is in any encoding whose letters are bytes: other files have control characters in their first bytes.
    """
    if not content:
        return EMPTY
    if content[4:12] in HEIC_BRANDS:
        return HEIC
    if content[4:12] in VIDEO_BRANDS:
        return VIDEO
    if content.startswith(b"%PDF-"):
        return PDF
    if not CONTROLS.isdisjoint(content):
        return None
    lower = content.lower()
    if lower.startswith(b"version https://git-lfs"):
        return LFS_POINTER
    if b"<html" in lower or b"<!doctype html" in lower:
        return WEB_PAGE
    return SVG if b"<svg" in lower else TEXT
