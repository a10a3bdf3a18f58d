"""The errors that resunit raises on purpose: each says in one line what happened, where, and what to do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MOST_LETTERS = 200  # of another library's reason that a message repeats
NUMBER = re.compile(r"([0-9]+)")


class ResunitError(Exception):
    """The base of every error that resunit raises on purpose."""


class UsageError(ResunitError, ValueError):
    """A name, an option or a value does not exist or does not fit; the message says what would."""


class DataError(ResunitError):
    """A data set's file, folder or address is missing, altered or unreadable; the message says which."""


class Unreachable(DataError):
    """No source of a data set could be reached; the message names the sources that were tried."""


class FileFormatError(ResunitError):
    """A file of weights, checkpoints or records is missing, foreign, damaged, or of a newer format."""


class ForeignFile(FileFormatError):
    """A file of tensors that resunit did not write."""


class RunError(ResunitError):
    """A run's folder is in use, empty or damaged, or it belongs to another run."""


class ExportError(ResunitError):
    """An exported network computes other numbers than the network itself, or cannot be exported; no file is kept."""


class PropagationError(ResunitError, ValueError):
    """A network cannot be measured as asked; the message says what to do instead."""


class WriteError(ResunitError, OSError):
    """The operating system refused to write a file, for instance because the disk is full."""

    def __str__(self) -> str:
        return f"{self.filename}: cannot be written ({self.strerror}); free some space, or take another place"


class DamagedRun(UserWarning):
    """A file of a run is damaged or cannot be protected, and the run goes on as well as it can."""


class CutOffRecord(UserWarning):
    """The last line of a file of records has no end: the process that wrote it was killed."""


def reason_of(error: BaseException) -> str:
    """Return the first line of what a library's error says, or the error's kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:MOST_LETTERS] if lines else type(error).__name__


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for a `name` that is not among `known`; it suggests the nearest known name.

    Args:
        kind: what the name stands for, such as "model".
        name: the name that was given.
        known: the names that exist. All of them are listed if none is near.
    """
    known = list(known)
    spelled = {one.lower(): one for one in known}  # Other tools write ResNet20 and CIFAR10.
    lower = str(name).lower()  # Python code may give anything.
    near = _names_with_other_numbers(lower, spelled) or get_close_matches(lower, spelled, n=1)
    remedy = f"did you mean {spelled[near[0]]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return UsageError(f"unknown {kind} {name!r}; {remedy}")


def _names_with_other_numbers(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that differ from `name` in numbers alone, nearest first.

    By spelling alone, resnet21 would be as near to resnet32 as to resnet20.
    """
    words, numbers = NUMBER.split(name)[::2], [int(digits) for digits in NUMBER.findall(name)]

    def distance(other: str) -> int:
        pairs = zip(numbers, map(int, NUMBER.findall(other)), strict=True)
        return sum(abs(one - another) for one, another in pairs)

    return sorted((other for other in known if NUMBER.split(other)[::2] == words), key=distance)
