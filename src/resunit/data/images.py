"""Image files of any kind and size -> uint8 tensors of one size."""

import warnings
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


def read_images(paths: Sequence[Path | str], image_size: int, progress: bool = False) -> Tensor:
    """(N, 3, image_size, image_size) uint8: the shorter side is resized to `image_size`, the centre is kept.

    Raises DataError naming the first file that is not a readable image.
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
    """Of an image file, from its header alone. Raises DataError."""
    try:
        with Image.open(path) as image:
            return min(image.size)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def decode(path: Path, image_size: int) -> Tensor:
    """(3, image_size, image_size) uint8, as in `read_images`."""
    image = upright(path, image_size)
    if image.size != (image_size, image_size):
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def upright(path: Path, least: int | None = None) -> Image.Image:
    """In RGB, as a person would see it. A JPEG far larger than `least` a side is decoded at a fraction."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            if image.mode.startswith("I;16") or image.mode in "IF":
                raise ValueError(f"mode {image.mode} has more than 8 bits a channel")
            if least is not None:
                image.draft("RGB", (least, least))
            turned = ImageOps.exif_transpose(image)
            # Through RGBA, because a palette's transparent entries have no colour of their own.
            return (turned.convert("RGBA") if turned.mode == "P" else turned).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def centre(images: Tensor, side: int) -> Tensor:
    """The middle `side` x `side` pixels of square images (..., H, H)."""
    margin = (images.shape[-1] - side) // 2
    return images[..., margin : margin + side, margin : margin + side]


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such image")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a folder; name the images in it, such as {path}/*.jpg")
    reason = str(error).splitlines()[0].replace(f" '{path}'", "").replace(f" {str(path)!r}", "")
    return DataError(f"{path}: not a readable image ({reason}); replace it or take it away")
