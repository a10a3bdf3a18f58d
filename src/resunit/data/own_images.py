"""A data set of images that Python code has: tensors, arrays, or a data set of torch."""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from resunit.data.dataset import Dataset, Split, content_checksum
from resunit.errors import DataError

OwnImages: TypeAlias = tuple[Any, Any] | TorchDataset[Any]
"""Images and their labels, as tensors or arrays, or a map-style data set of torch, whose items are an image and a
label."""


def make_dataset(
    train: OwnImages,
    test: OwnImages | None = None,
    validation: OwnImages | None = None,
    *,
    classes: Sequence[str] | None = None,
    name: str = "own images",
) -> Dataset[Split]:
    """Return a data set of one's own images, in memory.

    Images are uint8 and square, (N, 3, H, W) or (N, H, W, 3), or grey as (N, 1, H, W), (N, H, W, 1) or (N, H, W);
    grey images get three equal channels. The items of a torch data set are such an image, or a Pillow image, and a
    label. Each item is read once, so random transforms belong into the recipe.

    Args:
        train: the images to train on.
        test: the images to judge the run on at its end.
        validation: the images to evaluate on during training; without `test`, also at the end.
        classes: the names of the classes; by default the `classes` of a torch data set, or the labels as text.
        name: the name of the data set in the records of runs.

    Raises:
        DataError: images or labels are of another kind, shape or number than described; the message says which.
    """
    given = {"train": train, "test": test, "validation": validation}
    splits = {split: _read(images, split) for split, images in given.items() if images is not None}
    names = _class_names(train, classes, splits)
    for split, images in splits.items():
        if images.images.shape[1:] != splits["train"].images.shape[1:]:
            raise DataError(
                f"{split} images have {images.side} pixels a side, and train images {splits['train'].side}; resize "
                "them to one size"
            )
    judged = splits.get("test", splits.get("validation", splits["train"][:0]))
    return Dataset(
        name=name,
        classes=names,
        train=splits["train"],
        test=judged,
        checksum=content_checksum(names, *splits.values()),
        source="Python",
        split_name="test" if "test" in splits else "validation",
        validation=splits.get("validation") if "test" in splits else None,
    )


def as_dataset(data: Dataset[Split] | OwnImages | None) -> Dataset[Split] | None:
    """Return a data set of images as it is, and `make_dataset` of images to train on."""
    return data if data is None or isinstance(data, Dataset) else make_dataset(data)


def _read(given: OwnImages, split: str) -> Split:
    """Return images and labels in the form of a split. Raises DataError."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise DataError(f"{split} is a tuple of {len(given)}; give a pair of images and labels")
        images, labels = (_tensor(values, split) for values in cast("tuple[Any, Any]", given))
    else:
        images, labels = _read_items(given, split)
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise DataError(
            f"{split} labels are {tuple(labels.shape)} {labels.dtype}; give one whole number an image"
        )
    split_ = Split(_channels_first(images, split), labels.to(torch.int64))
    if len(split_.images) != len(split_.labels):
        raise DataError(f"{split} has {len(split_.images)} images and {len(split_.labels)} labels")
    if not len(split_):
        raise DataError(f"{split} has no images")
    return split_


def _read_items(items: Any, split: str) -> tuple[Tensor, Tensor]:
    """Return the images and the labels of all items of a torch data set. Raises DataError."""
    images, labels = [], []
    try:
        for index in range(len(items)):
            image, label = items[index]
            images.append(
                _tensor(image if hasattr(image, "shape") else np.array(image.convert("RGB")), split)
            )
            labels.append(int(label))
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{split}: an item of a data set must be an image and a label, and it must have a length ({error})"
        ) from error
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) > 1:
        raise DataError(f"{split} has images of {len(sizes)} sizes; resize them to one size")
    return torch.stack(images) if images else torch.empty(0), torch.tensor(labels, dtype=torch.int64)


def _tensor(values: Any, split: str) -> Tensor:
    """Return a tensor on the CPU that shares no gradient with `values`. Raises DataError."""
    try:
        return torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{split}: {type(values).__name__} is neither a tensor nor an array of numbers; a pair is images and their "
            "labels, and make_dataset(train, test) takes images to train on and to test on"
        ) from error


def _channels_first(images: Tensor, split: str) -> Tensor:
    """Return images as (N, 3, H, W) uint8. Raises DataError."""
    if images.dtype != torch.uint8:
        raise DataError(
            f"{split} images are {images.dtype}; give uint8 from 0 to 255, without ToTensor and Normalize, because "
            "training normalises images by itself"
        )
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim == 4 and images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
        raise DataError(
            f"{split} images are {tuple(images.shape)}; give square images as (N, 3, H, W) or (N, H, W, 3)"
        )
    return images.expand(-1, 3, -1, -1).contiguous()


def _class_names(
    train: OwnImages, classes: Sequence[str] | None, splits: dict[str, Split]
) -> tuple[str, ...]:
    """Return the names of the classes. Raises DataError if a label is no index into them."""
    greatest = max(int(split.labels.max()) for split in splits.values())
    names = classes or getattr(train, "classes", None) or [str(label) for label in range(greatest + 1)]
    least = min(int(split.labels.min()) for split in splits.values())
    if least < 0 or greatest >= len(names):
        raise DataError(
            f"labels go from {least} to {greatest}; give whole numbers from 0 to {len(names) - 1}, which are indices "
            f"of the {len(names)} classes"
        )
    return tuple(map(str, names))
