"""The image files below a folder, among the files that systems and programs leave there too."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageFile

from resunit.errors import DataError

# Folders that systems make for themselves and that do not begin with a dot: of macOS's archives, of NAS devices
# (Synology, QNAP, NetApp), of file servers for macOS, of Windows and of Linux.
SYSTEM_FOLDERS = {
    "__macosx",
    "@eadir",
    "#recycle",
    "#snapshot",
    "@recycle",
    "@recently-snapshot",
    "@sharebin",
    "@sharesnap",
    "@synoresource",
    "@transcode",
    "@tmp",
    "~snapshot",
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    "$recycle.bin",
    "recycler",
    "recycled",
    "system volume information",
    "found.000",
    "lost+found",
    "__pycache__",
}
# Pillow looks for these first: some of the others have to open a file to know that it is none of theirs.
COMMON_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
# Pillow identifies files of these formats and cannot decode them; EPS runs another program.
NOT_DECODED = {"MPEG", "EPS"}
# Formats that Pillow opens as another format: a photograph of several pictures begins like a JPEG.
OPENED_AS = {"MPO": "JPEG"}
# Endings of photographs that Pillow does not read by itself; a message names them.
OTHER_PHOTOGRAPHS = {
    ".heic",
    ".heif",
    ".jxl",
    ".svg",
    ".dng",
    ".cr2",
    ".cr3",
    ".nef",
    ".arw",
    ".raf",
    ".orf",
    ".rw2",
    ".dcm",
}


def image_formats() -> tuple[str, ...]:
    """Return the names of the formats that Pillow decodes, those of installed plugins too."""
    Image.init()
    return _decoded_among(tuple(Image.OPEN))


@cache
def _decoded_among(formats: tuple[str, ...]) -> tuple[str, ...]:
    common = [name for name in COMMON_FORMATS if name in formats]
    return (*common, *(name for name in formats if name not in COMMON_FORMATS and _is_decoded(name)))


def image_suffixes() -> set[str]:
    """Return the endings, in lower case and with the dot, of the files that Pillow decodes."""
    formats = set(image_formats())
    registered = Image.registered_extensions().items()
    return {ending for ending, name in registered if OPENED_AS.get(name, name) in formats}


def _is_decoded(name: str) -> bool:
    factory = Image.OPEN[name][0]
    is_stub = isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)
    return not is_stub and name not in NOT_DECODED


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is a system's or a program's, and no one's image."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


@dataclass(frozen=True)
class FoundFiles:
    """The visible files below one folder."""

    images: list[Path]
    """The files with an ending that Pillow decodes, in the order of their paths."""
    others: Counter[str]
    """The number of other files by their ending, in lower case."""


def find_files(folder: Path) -> FoundFiles:
    """Return the visible files below a folder, at any depth and through links.

    Raises:
        OSError: a folder cannot be read.
    """
    suffixes = image_suffixes()
    images: list[Path] = []
    others: Counter[str] = Counter()
    for path in _files_below(folder):
        ending = path.suffix.lower()
        if ending in suffixes:
            images.append(path)
        elif (
            ending.partition("?")[0] in suffixes
        ):  # Downloads may keep the end of their address: photo.jpg?w=200.
            others[f"{ending.partition('?')[0]}?..."] += 1
        else:
            others[ending] += 1
    return FoundFiles(sorted(images), others)


def has_image(folder: Path) -> bool:
    """Return whether an image lies below a folder, at any depth. Raises OSError as `find_files` does."""
    suffixes = image_suffixes()
    return any(path.suffix.lower() in suffixes for path in _files_below(folder))


def count_loose_images(folder: Path) -> int:
    """Return the number of images that lie in a folder itself. Raises OSError as `find_files` does."""
    suffixes = image_suffixes()
    return sum(Path(entry.name).suffix.lower() in suffixes and _is_file(entry) for entry in _visible(folder))


def visible_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, by name. Raises OSError as `find_files` does."""
    return sorted(Path(entry.path) for entry in _visible(folder) if _is_folder(entry))


@dataclass(frozen=True)
class Unreadable:
    """A file that is not a readable image, or a folder that cannot be read or holds no image."""

    path: Path
    error: DataError


def named_images(paths: Iterable[Path]) -> Iterator[Path | Unreadable]:
    """Yield files that a user named, and the visible images below folders that the user named.

    A folder's images are found while the others are used, in the order of their paths.

    Args:
        paths: files of any name, which are yielded as they are, and folders.

    Yields:
        The path of a file; or a folder that cannot be read or holds no image.
    """
    suffixes = image_suffixes()
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        is_empty = True
        for found in _found_below(path):
            if isinstance(found, OSError):
                place = Path(os.fsdecode(found.filename)) if found.filename else path
                problem = f"{place}: cannot be read ({found.strerror}); make it readable"
                yield Unreadable(place, DataError(problem))
            elif found.suffix.lower() in suffixes:
                yield found
            else:
                continue
            is_empty = False
        if is_empty:
            problem = f"{path}: holds no image of an ending that Pillow reads; name another folder"
            yield Unreadable(path, DataError(problem))


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the visible files below `folder`. Raises OSError if it or a folder in it cannot be read."""
    for found in _found_below(folder):
        if isinstance(found, OSError):
            raise found
        yield found


def _found_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path | OSError]:
    """Yield the visible files below `folder` by name, and the errors of folders that cannot be read.

    A link to one of the folders `above` it is not followed.
    """
    try:
        status = folder.stat()
        entries = sorted(_visible(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield error
        return
    place = status.st_dev, status.st_ino
    if place in above:
        return
    for entry in entries:
        if _is_folder(entry):
            yield from _found_below(Path(entry.path), above | {place})
        elif _is_file(entry):
            yield Path(entry.path)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not is_hidden(entry.name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one; a link to itself is none, and no error."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a file or a broken link to one, which is named when it is read."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:  # A link to itself.
        return entry.is_symlink()
