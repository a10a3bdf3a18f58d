"""Some real images of a data set, for a check that needs no labels."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from resunit.data.cifar.sample import SAMPLE
from resunit.data.image_files import find_files
from resunit.data.images import centre, decode_all
from resunit.data.loading import is_at_hand, is_folder, load
from resunit.io.places import user_path


@dataclass(frozen=True)
class Examples:
    """Images of a data set, at equal distances in it."""

    images: Tensor
    """(N, 3, H, W) uint8."""
    origin: str
    """The name of the data set."""


def example_images(name: str | None, count: int, image_size: int, shorter_side: int) -> Examples:
    """Return some images of a data set that is on this machine, else of the sample that ships with resunit.

    Args:
        name: the data set, as `load` takes it, or None for the sample. Nothing is fetched.
        count: the number of images; fewer if the data set has fewer.
        image_size: the side in pixels of the images.
        shorter_side: the side in pixels that the images of a folder are scaled to before their centre is cut out.

    Raises:
        DataError: a file of a stored data set was altered.
    """
    if name is not None and is_at_hand(name):
        if not is_folder(name):
            return Examples(_scale(_spread(load(name, progress=False).test.images, count), image_size), name)
        chosen = _files(user_path(name), count)
        images = decode_all(chosen, shorter_side, skip_broken=len(chosen)).images
        if len(images):
            return Examples(centre(images, image_size), name)
    images = load(SAMPLE.name, progress=False).test.images
    return Examples(_scale(_spread(images, count), image_size), SAMPLE.name)


def _files(folder: Path, count: int) -> list[Path]:
    """Return image files below a folder, at equal distances; none of a folder that cannot be read."""
    try:
        files = find_files(folder).images
    except OSError:
        return []
    return files[:: max(1, len(files) // count)][:count]


def _spread(images: Tensor, count: int) -> Tensor:
    return images[:: max(1, len(images) // count)][:count]


def _scale(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] == side:
        return images
    scaled = functional.interpolate(images.float(), size=(side, side), mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)
