"""How the images of a stored network are prepared, as the file records it."""

from dataclasses import dataclass
from typing import Annotated

import torch

from resunit.data import Normalisation
from resunit.errors import FileFormatError, UsageError
from resunit.io.fields import Bounds, check_value
from resunit.models.weights import NetworkRecord

SIDE = Annotated[int, Bounds(1, 10_000)]  # in pixels; a record that asks for more was altered


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image before a trained network sees it."""

    normalisation: Normalisation
    image_size: int
    """The side in pixels of the square that the network sees."""
    shorter_side: int
    """The side in pixels that images are scaled to before their centre of `image_size` is cut out."""
    skip_broken: int = 0
    """How many unreadable images training was allowed to leave out of its own data."""


def preprocessing_of(file: NetworkRecord) -> Preprocessing:
    """Return the preprocessing of images that a file records.

    Raises:
        FileFormatError: the file does not say how images are prepared.
    """
    try:
        normalisation = Normalisation.from_json(file.preprocessing["normalisation"])
        image_size = check_value("image_size", file.preprocessing["image_size"], SIDE)
        shorter_side = check_value("shorter_side", file.preprocessing.get("shorter_side", image_size), SIDE)
        skip_broken = check_value(
            "skip_broken", file.preprocessing.get("skip_broken", 0), Annotated[int, Bounds(0)]
        )
        if not bool(normalisation.scale.isfinite().all() and normalisation.offset.isfinite().all()):
            raise ValueError("its mean or std is not finite, or a std is 0")
        normalisation(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8))
    except (KeyError, TypeError, ValueError, RuntimeError, UsageError) as error:
        raise FileFormatError(f"{file.path}: does not say how images are prepared ({error})") from error
    return Preprocessing(normalisation, image_size, shorter_side, skip_broken)
