"""Remarks about image files that are unusual but readable: each kind is shown once, with the first file's name."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from PIL import Image

DEEP = "has more than 8 bits a channel and is scaled to 8"

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
        # The size of an image needs no warning, because the memory for decoding is bounded.
        elif not issubclass(category, Image.DecompressionBombWarning):
            remark(f"has damaged metadata, which are left out ({' '.join(str(message).split())})")

    # The host program's filter may be "error", which would make an image unreadable.
    warnings.filterwarnings("always", module=r"PIL\.")
    warnings.showwarning = show


class Remarks:
    """The remarks about many files, with the files that each kind is about."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}
        self._kinds: dict[str, str] = {}

    def add(self, file: object, heard: Iterable[str]) -> list[str]:
        """Add what was heard about a file; return the lines of kinds that are new."""
        new = []
        for text in heard:
            kind = text.partition(" (")[0]
            if kind not in self._kinds:
                self._kinds[kind] = text
                new.append(f"{file}: {text}")
            self._files.setdefault(kind, []).append(str(file))
        return new

    def lines(self) -> tuple[str, ...]:
        """Return a line for each kind: the first file and how many others there are."""
        return tuple(
            f"{files[0]}{_and_others(len(files) - 1)}: {self._kinds[kind]}"
            for kind, files in self._files.items()
        )


def _and_others(count: int) -> str:
    return "" if not count else " and 1 other file" if count == 1 else f" and {count:,} other files"
