"""Smaller images: each pixel is the average over a square of a stored image's pixels."""

from dataclasses import replace

import torch
from torch import Tensor

from resunit.data.dataset import Dataset, Split, content_checksum
from resunit.errors import UsageError

LEAST_SIDE = 8  # A network for CIFAR halves the size twice, and a 3x3 convolution needs more than a pixel.


def with_averaged_images(dataset: Dataset[Split], image_size: int) -> Dataset[Split]:
    """Return the data set with all images averaged to `image_size` pixels a side, and the checksum of these.

    Raises:
        UsageError: the images cannot be divided into squares of whole pixels.
    """
    side = dataset.train.side
    if image_size == side:
        return dataset
    sizes = [size for size in range(LEAST_SIDE, side + 1) if side % size == 0]
    if image_size not in sizes:
        raise UsageError(
            f"{dataset.name} has images of {side} x {side}, which can be averaged to image_size "
            f"{', '.join(map(str, sizes[:-1]))}, and not {image_size}"
        )
    train, test = (
        Split(average(split.images, image_size), split.labels) for split in (dataset.train, dataset.test)
    )
    checksum = content_checksum(dataset.classes, train, test)
    return replace(dataset, train=train, test=test, checksum=checksum)


def average(images: Tensor, image_size: int) -> Tensor:
    """Return the averages over squares, rounded to the nearest whole number, and halves up.

    Whole numbers are the same on every machine, so that runs of different machines see the same images.

    Args:
        images: (N, C, H, W) uint8, with H and W multiples of `image_size`.
        image_size: the side of the result in pixels.

    Returns:
        (N, C, image_size, image_size) uint8.
    """
    factor = images.shape[-1] // image_size
    total = torch.full((*images.shape[:2], image_size, image_size), factor**2 // 2, dtype=torch.int32)
    for row in range(factor):
        for column in range(factor):
            total += images[..., row::factor, column::factor]
    return total.div_(factor**2, rounding_mode="floor").to(torch.uint8)
