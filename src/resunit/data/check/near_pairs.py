"""Pairs of images whose difference hashes and small copies are near, found without comparing each with each."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

# Hashes that differ in seven bits at most agree in one byte at least, because a hash has eight bytes.
MOST_BITS = 7
# The root of the mean squared difference of two copies of 8 x 8 pixels, in levels of 0 to 255.
MOST_LEVELS = 12.0
PAIRS_AT_ONCE = 1 << 20
BITS_SET = np.array([byte.bit_count() for byte in range(256)], dtype=np.uint8)


def find_near_pairs(
    hashes: npt.NDArray[np.uint64], colours: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield each pair (i, j), i < j, of images that look alike, once.

    Args:
        hashes: (N,) uint64, the difference hashes.
        colours: (N, 8, 8, 3) uint8, the small copies.
    """
    octets = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    for place in range(8):
        order = octets[:, place].argsort(kind="stable")
        bounds = np.searchsorted(octets[order, place], np.arange(257))
        for start, end in pairwise(bounds.tolist()):
            yield from _pairs_within(order[start:end], place, octets, colours)


def _pairs_within(
    members: npt.NDArray[np.intp], place: int, octets: npt.NDArray[np.uint8], colours: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield the near pairs among images whose hashes agree in the byte `place`, and in no byte before it."""
    rows = max(1, PAIRS_AT_ONCE // max(1, len(members)))
    for start in range(0, len(members), rows):
        some, others = members[start : start + rows], members[start:]
        differing = octets[some, None] ^ octets[None, others]
        near = BITS_SET[differing].sum(-1, dtype=np.uint8) <= MOST_BITS
        near &= (differing[..., :place] != 0).all(-1)
        near &= some[:, None] < others[None]
        first, second = near.nonzero()
        yield from _confirm(some[first], others[second], colours)


def _confirm(
    first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], colours: npt.NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs whose small copies are near too: flat images have equal hashes in any colour."""
    for start in range(0, len(first), PAIRS_AT_ONCE // 256):
        part = slice(start, start + PAIRS_AT_ONCE // 256)
        difference = colours[first[part]].astype(np.float32) - colours[second[part]]
        levels = np.sqrt((difference**2).mean((1, 2, 3)))
        chosen = levels <= MOST_LEVELS
        yield from zip(first[part][chosen].tolist(), second[part][chosen].tolist(), strict=True)
