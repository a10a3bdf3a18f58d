"""Image files of any kind and size, decoded to uint8 tensors of one size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from resunit.data.decoding_memory import DecodingMemory
from resunit.data.decoding_threads import decode_in_threads
from resunit.data.image_files import image_formats
from resunit.data.pixels import scale_transparency, turn_upright
from resunit.data.remarks import Remarks, listening, pillow_warnings_heard, print_remarks
from resunit.errors import DataError
from resunit.io.downloads import describe_download

memory = DecodingMemory()  # All threads of this process share it.


@dataclass(frozen=True)
class DecodedImages:
    """Image files that were decoded, and those that could not be."""

    images: Tensor
    """(N, 3, H, W) uint8, in the order of the files; broken ones are left out."""
    broken: dict[int, DataError]
    """Why a file could not be read, by its index."""
    remarks: Remarks


def read_images(paths: Sequence[Path | str], image_size: int, progress: bool = False) -> Tensor:
    """Return the centre squares of image files; what is unusual about them is printed once for each kind.

    Args:
        paths: N image files.
        image_size: the side in pixels that the shorter side of each image is resized to.
        progress: whether progress is shown on stderr.

    Returns:
        (N, 3, image_size, image_size) uint8.

    Raises:
        DataError: a file is not a readable image; the message names the first such file.
    """
    decoded = decode_all(paths, image_size, progress=progress)
    print_remarks(decoded.remarks)
    return decoded.images


def decode_all(
    paths: Sequence[Path | str], image_size: int, *, skip_broken: int = 0, progress: bool = False
) -> DecodedImages:
    """Return the centre squares of image files, as `read_images` does, without up to `skip_broken` of them.

    Raises:
        DataError: more files than that are not readable images; the message names the first such file.
    """
    # Memory is given to a process when it is written to. Zeros take all of it before images are decoded, so
    # that what is free for decoding is known.
    images = torch.empty(len(paths), 3, image_size, image_size, dtype=torch.uint8).fill_(0)
    remarks, broken = Remarks(), {}

    def read(index: int) -> tuple[DataError | None, set[str]]:
        with listening() as heard:
            try:
                images[index] = decode_image(Path(paths[index]), image_size)
            except DataError as error:
                return error, heard
        return None, heard

    for index, (error, heard) in decode_in_threads(read, len(paths), "decoding images", progress):
        remarks.add(paths[index], sorted(heard))
        if error is not None:
            broken[index] = error
            if len(broken) > skip_broken:
                raise too_many_broken(list(broken.values()), skip_broken)
    if broken:
        images = images[[index for index in range(len(paths)) if index not in broken]]
    return DecodedImages(images, broken, remarks)


def too_many_broken(errors: Sequence[DataError], skip_broken: int) -> DataError:
    """Return the error for more unreadable images than a run may skip; it names the first of them."""
    if not skip_broken:
        return errors[0]
    return DataError(f"{errors[0]} (more than the {skip_broken:,} that skip_broken allows are unreadable)")


def shorter_side(path: Path) -> int:
    """Return the shorter side of an image file in pixels, read from its header alone.

    Raises:
        DataError: the file is not a readable image.
    """
    with _named_failures(path), pillow_warnings_heard(), listening(), _open(path) as image:
        return min(image.size)


def decode_image(path: Path, image_size: int) -> Tensor:
    """Return the centre square (3, image_size, image_size) uint8 of an image file, as `read_images` does.

    Raises:
        DataError: the file is not a readable image.
    """
    with opened_upright(path, image_size) as image:
        return _square(image, image_size)


def square(image: Image.Image, image_size: int) -> Tensor:
    """Return the centre square (3, image_size, image_size) uint8 of a PIL image.

    Raises:
        DataError: the image cannot be decoded.
    """
    remarks, name = Remarks(), "a PIL image"
    with _named_failures(name), pillow_warnings_heard(), listening() as heard:
        pixels = _square(turn_upright(image), image_size)
    remarks.add(name, sorted(heard))
    print_remarks(remarks)
    return pixels


def _square(image: Image.Image, image_size: int) -> Tensor:
    if image.size != (image_size, image_size):
        image = ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


@contextmanager
def opened_upright(path: Path, least_side: int | None = None) -> Iterator[Image.Image]:
    """Give an image file in RGB, upright, as `turn_upright` says, and hold the memory that it takes.

    Args:
        path: the file.
        least_side: a JPEG whose sides are far longer is decoded at a fraction of its size, which is faster.

    Raises:
        DataError: the file is not a readable image.
    """
    with _named_failures(path), _open(path) as image:
        if least_side is not None:
            image.draft("RGB", (least_side, least_side))
        with memory.reserved(*image.size, image.mode):
            yield turn_upright(_load(image, path))


def _open(path: Path) -> Image.Image:
    return scale_transparency(Image.open(path, formats=image_formats()))


def _load(image: Image.Image, path: Path) -> Image.Image:
    """Return an opened image with its pixels.

    After decoding a TIFF, Pillow reads all of its metadata and turns the image. If they are damaged, they are
    left out.
    """
    try:
        image.load()
    except Exception:
        if image.format != "TIFF":
            raise
        with _open(path) as image:
            image.load_end = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
            image.load()
            with suppress(Exception):  # What is damaged is left out, and the rest says how to turn the image.
                image.getexif()
    return image


def centre(images: Tensor, side: int) -> Tensor:
    """Return the middle `side` x `side` pixels of square images (..., H, H)."""
    margin = (images.shape[-1] - side) // 2
    return images[..., margin : margin + side, margin : margin + side]


@contextmanager
def _named_failures(path: Path | str) -> Iterator[None]:
    """Raise DataError that names the file, whatever a decoder raises."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path | str, error: Exception) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: no such image; correct the path")
    if isinstance(error, PermissionError):
        return DataError(f"{path}: cannot be read ({error.strerror}); make it readable")
    if isinstance(error, IsADirectoryError):
        return DataError(f"{path}: is a folder; name the images in it, such as {path}/*.jpg")
    if isinstance(error, UnidentifiedImageError) and (other := describe_download(Path(path))) is not None:
        return DataError(f"{path}: not a readable image ({other.what}); {other.remedy}")
    if isinstance(error, Image.DecompressionBombError):
        return DataError(f"{path}: has too many pixels to be decoded ({error}); scale it down or remove it")
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    # Pillow repeats the path in its own words.
    reason = " ".join(reason.replace(f" '{path}'", "").replace(f" {str(path)!r}", "").split())
    return DataError(f"{path}: not a readable image ({reason}); replace or remove it")
