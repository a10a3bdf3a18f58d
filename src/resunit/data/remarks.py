"""Remarks about image files that are unusual but readable: each kind is shown once, with the first file's name."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from PIL import Image

from resunit.io.format import escape_text

DEEP = "has more than 8 bits a channel and is scaled to 8"

NOT_ABOUT_FILES = (Image.DecompressionBombWarning, DeprecationWarning, ResourceWarning)

LOG = logging.getLogger("resunit")  # Without a handler, Python prints a warning as one line on stderr.

_heard: ContextVar[set[str] | None] = ContextVar("heard", default=None)


def remark(text: str) -> None:
    """Add a remark about the file that is being read, if a `listening` context is active."""
    if (heard := _heard.get()) is not None:
        heard.add(text)


@contextmanager
def listening() -> Iterator[set[str]]:
    """Give the set of the remarks about one file, which is read within the context."""
    heard: set[str] = set()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


@contextmanager
def pillow_warnings_heard() -> Iterator[None]:
    """Turn the warnings of Pillow into remarks while the context lasts.

    Python would show a warning again for every file with another text, and once in every decoding process.
    """
    with warnings.catch_warnings():
        hear_pillow_warnings()
        yield


def hear_pillow_warnings() -> None:
    """Turn the warnings of Pillow into remarks from now on; for processes that do nothing but decode."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if _heard.get() is None:
            others(message, category, *where, **more)
        # The size of an image needs no warning, because the memory for decoding is bounded. What Pillow tells
        # programmers about itself, or leaves open when it reads a pipe, is no fault of the file.
        elif not issubclass(category, NOT_ABOUT_FILES):
            remark(f"has damaged metadata, which are left out ({' '.join(str(message).split())})")

    # The host program's filter may be "error", which would make an image unreadable.
    warnings.filterwarnings("always", module=r"PIL\.")
    warnings.showwarning = show


class Remarks:
    """The remarks about many files, with the first file and the number of files that each kind is about."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str]] = {}
        self._files: Counter[str] = Counter()

    def add(self, file: object, heard: Iterable[str]) -> None:
        """Add what was heard about a file."""
        by_kind = {text.partition(" (")[0]: text for text in heard}
        for kind, text in by_kind.items():
            self._first.setdefault(kind, (str(file), text))
            self._files[kind] += 1

    def describe(self) -> dict[str, str]:
        """Return a line for each kind: the first file and how many others there are."""
        return {
            kind: f"{file}{_and_others(self._files[kind] - 1)}: {text}"
            for kind, (file, text) in self._first.items()
        }


_told: set[str] = set()  # The kinds of remarks that this process has printed.


def print_remarks(remarks: Remarks) -> None:
    """Print a line for each kind of remark that this process has not yet printed."""
    for kind, line in remarks.describe().items():
        if kind not in _told:
            _told.add(kind)
            LOG.warning(escape_text(line))


def _and_others(count: int) -> str:
    return "" if not count else " and 1 other file" if count == 1 else f" and {count:,} other files"
