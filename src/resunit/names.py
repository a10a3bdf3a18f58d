"""Names that people type: one clear line for the ones nobody knows."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

NUMBER = re.compile(r"([0-9]+)")


class UsageError(ValueError):
    """What was asked for does not exist or does not fit together; the message says what would."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a `name` that is not among `known`, with the nearest one, or all if none is near."""
    known = list(known)
    near = _other_numbers(name, known) or get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return UsageError(f"unknown {kind} {name!r}; {remedy}")


def _other_numbers(name: str, known: Iterable[str]) -> list[str]:
    """Those that differ from `name` in numbers alone, nearest first: by spelling, 32 is as near 21 as 20."""
    words, numbers = NUMBER.split(name)[::2], [int(digits) for digits in NUMBER.findall(name)]

    def distance(other: str) -> int:
        pairs = zip(numbers, map(int, NUMBER.findall(other)), strict=True)
        return sum(abs(one - another) for one, another in pairs)

    return sorted((other for other in known if NUMBER.split(other)[::2] == words), key=distance)
