"""Fingerprints of decoded images: equal ones are of equal pixels, and near ones of images that look alike."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

ROWS, COLUMNS = 8, 9  # Eight differences in each of eight rows are the 64 bits.
COLOUR_SIDE = 8
# Flat areas differ by noise alone, which a JPEG encoder draws anew. A step must be larger than this to count.
NOISE_IN_LEVELS = 1


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to find it again."""

    pixels: bytes
    """The SHA-256 of width, height and decoded pixels."""
    difference_hash: int
    """64 bits: for each place of an 8 x 9 grey copy but the last of a row, whether the next one is brighter."""
    colours: npt.NDArray[np.uint8]
    """(8, 8, 3), the image shrunk to 8 x 8 pixels."""


def take_fingerprint(image: Image.Image) -> Fingerprint:
    """Return the fingerprint of an upright RGB image."""
    digest = hashlib.sha256(b"%d x %d " % image.size)
    digest.update(image.tobytes())
    grey = np.asarray(image.convert("L").resize((COLUMNS, ROWS), Image.Resampling.BOX)).astype(np.int16)
    brighter = grey[:, 1:] > grey[:, :-1] + NOISE_IN_LEVELS
    colours = np.asarray(image.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX))
    return Fingerprint(digest.digest(), int.from_bytes(np.packbits(brighter).tobytes(), "big"), colours)
