"""Image files of any kind and size, decoded to uint8 tensors of one size."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from resunit.errors import DataError
from resunit.io.progress import counting

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # What Pillow raises.


def read_images(paths: Sequence[Path | str], image_size: int, progress: bool = False) -> Tensor:
    """Return the centre squares of image files.

    Args:
        paths: N image files.
        image_size: the side in pixels that the shorter side of each image is resized to.
        progress: whether progress is shown on stderr.

    Returns:
        (N, 3, image_size, image_size) uint8.

    Raises:
        DataError: a file is not a readable image; the message names the first such file.
    """
    images = torch.empty(len(paths), 3, image_size, image_size, dtype=torch.uint8)
    with ThreadPoolExecutor() as threads, counting("decoding images", len(paths), progress) as advance:
        try:
            decoded = threads.map(lambda path: decode(Path(path), image_size), paths)
            for index, pixels in enumerate(decoded):
                images[index] = pixels
                advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return images


def shorter_side(path: Path) -> int:
    """Return the shorter side of an image file in pixels, read from its header alone.

    Raises:
        DataError: the file is not a readable image.
    """
    try:
        with Image.open(path) as image:
            return min(image.size)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def decode(path: Path, image_size: int) -> Tensor:
    """Return the centre square (3, image_size, image_size) uint8 of an image file, as `read_images` does.

    Raises:
        DataError: the file is not a readable image.
    """
    return _square(open_upright(path, image_size), image_size)


def square(image: Image.Image, image_size: int) -> Tensor:
    """Return the centre square (3, image_size, image_size) uint8 of a PIL image.

    Raises:
        DataError: the image cannot be decoded, or has more than 8 bits a channel.
    """
    try:
        return _square(_upright(image), image_size)
    except UNREADABLE as error:
        raise DataError(f"a PIL image: not readable ({error}); replace it") from error


def _square(image: Image.Image, image_size: int) -> Tensor:
    if image.size != (image_size, image_size):
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def open_upright(path: Path, least_side: int | None = None) -> Image.Image:
    """Return an image file in RGB, turned upright as its EXIF data say.

    Args:
        path: the file.
        least_side: a JPEG whose sides are far longer is decoded at a fraction of its size, which is faster.

    Raises:
        DataError: the file is not a readable image, or has more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            if least_side is not None:
                image.draft("RGB", (least_side, least_side))
            return _upright(image)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _upright(image: Image.Image) -> Image.Image:
    """Return an image in RGB, turned upright. Raises ValueError if it has more than 8 bits a channel."""
    if image.mode.startswith("I;16") or image.mode in "IF":
        raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
    turned = ImageOps.exif_transpose(image)
    # A palette goes through RGBA, because its transparent entries have no colour of their own.
    return (turned.convert("RGBA") if turned.mode == "P" else turned).convert("RGB")


def centre(images: Tensor, side: int) -> Tensor:
    """Return the middle `side` x `side` pixels of square images (..., H, H)."""
    margin = (images.shape[-1] - side) // 2
    return images[..., margin : margin + side, margin : margin + side]


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such image; correct the path")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a folder; name the images in it, such as {path}/*.jpg")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Pillow repeats the path in its own words.
    reason = reason.splitlines()[0].replace(f" '{path}'", "").replace(f" {str(path)!r}", "")
    return DataError(f"{path}: not a readable image ({reason}); replace or remove it")
