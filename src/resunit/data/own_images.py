"""A data set of images that Python code has: tensors, arrays, or a data set of torch."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from resunit.data.dataset import Dataset, Split, content_checksum, distinct_names
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
    """Return a data set of images as it is, and `make_dataset` of images to train on. Raises DataError for a name."""
    if isinstance(data, str | PathLike):
        raise DataError(f"data={str(data)!r} names images; give images, or their name as the recipe's data")
    return data if data is None or isinstance(data, Dataset) else make_dataset(data)


def _read(given: OwnImages, split: str) -> Split:
    """Return images and labels in the form of a split. Raises DataError."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise DataError(f"{split} is a tuple of {len(given)}; give a pair of images and labels")
        images, labels = cast("tuple[Any, Any]", given)
        images, labels = _tensor(images, f"{split} images"), _tensor(labels, f"{split} labels")
    else:
        images, labels = _read_items(given, split)
    if labels.ndim != 1 or not _is_whole(labels):
        raise DataError(
            f"{split} labels are {tuple(labels.shape)} {labels.dtype}; give one whole number an image"
        )
    split_ = Split(_channels_first(images, split), labels.to(torch.int64))
    if len(split_.images) != len(split_.labels):
        raise DataError(f"{split} has {len(split_.images)} images and {len(split_.labels)} labels")
    if not len(split_):
        raise DataError(f"{split} has no images")
    return split_


def _is_whole(labels: Tensor) -> bool:
    """Return whether labels are of a type of whole numbers."""
    return not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)


def _read_items(items: Any, split: str) -> tuple[Tensor, Tensor]:
    """Return the images and the labels of all items of a torch data set. Raises DataError."""
    # A data set of torch has inherited __getitem__ that raises NotImplementedError, so the class is asked first.
    if isinstance(items, IterableDataset | Mapping | str | bytes) or not (
        hasattr(items, "__len__") and hasattr(items, "__getitem__")
    ):
        raise DataError(
            f"{split} is a {type(items).__name__}; give a pair (images, labels), or a data set of torch with a length "
            "whose items are a pair of image and label"
        )
    images, labels = [], []
    for index in range(len(items)):
        item = items[index]
        if not (isinstance(item, Sequence) and len(item) == 2):
            what = (
                f"{type(item).__name__} of {len(item)}" if isinstance(item, Sequence) else type(item).__name__
            )
            raise DataError(f"{split}: item {index} is a {what}; give a pair of image and label")
        image, label = item
        images.append(_image(image, f"the image of {split} item {index}"))
        label = _tensor(label, f"the label of {split} item {index}")
        if label.numel() != 1 or not _is_whole(label):
            raise DataError(
                f"the label of {split} item {index} is {tuple(label.shape)} {label.dtype}; give a whole number"
            )
        labels.append(int(label))
    sizes = {tuple(image.shape) for image in images}
    if len(sizes) > 1:
        raise DataError(f"{split} has images of {len(sizes)} sizes; resize them to one size")
    return torch.stack(images) if images else torch.empty(0), torch.tensor(labels, dtype=torch.int64)


def _image(image: Any, name: str) -> Tensor:
    """Return a Pillow image, a tensor or an array as a tensor. Raises DataError."""
    return _tensor(np.array(image.convert("RGB")) if isinstance(image, Image.Image) else image, name)


def _tensor(values: Any, name: str) -> Tensor:
    """Return a tensor of numbers on the CPU that shares no gradient with `values`. Raises DataError."""
    try:
        if isinstance(values, Tensor):
            return values.detach().cpu().to_dense()
        # Torch takes no negative strides, no foreign byte order and, without a warning, no array that is read-only.
        array = np.asarray(values)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor.reshape(np.shape(values))  # Numbers have become arrays of one number.
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        remedy = "; give whole numbers, and the names as classes=" if name.endswith("labels") else ""
        if isinstance(values, TorchDataset):
            remedy = "; make_dataset(train, test) takes images to train on and to test on"
        raise DataError(
            f"{name}: {type(values).__name__} is neither a tensor nor an array of numbers{remedy}"
        ) from error


def _channels_first(images: Tensor, split: str) -> Tensor:
    """Return images as (N, 3, H, W) uint8. Raises DataError."""
    if images.dtype != torch.uint8:
        raise DataError(
            f"{split} images are {images.dtype}; give uint8 from 0 to 255, without ToTensor and Normalize, because "
            "training normalises images by itself"
        )
    shape = tuple(images.shape)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim == 4 and images.shape[1] not in (1, 3):
        images = images.permute(0, 3, 1, 2)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or images.shape[2] != images.shape[3]:
        raise DataError(f"{split} images are {shape}; give square images as (N, 3, H, W) or (N, H, W, 3)")
    return images.expand(-1, 3, -1, -1).contiguous()


def _class_names(
    train: OwnImages, classes: Sequence[str] | None, splits: dict[str, Split]
) -> tuple[str, ...]:
    """Return the names of the classes. Raises DataError if they are no names, or a label is no index into them."""
    greatest = max(int(split.labels.max()) for split in splits.values())
    given = getattr(train, "classes", None) if classes is None else classes
    if isinstance(given, str | Mapping):
        raise DataError(
            f"classes is a {type(given).__name__}; give a list of names, in the order of the labels"
        )
    names = [str(label) for label in range(greatest + 1)] if given is None else list(map(str, given))
    least = min(int(split.labels.min()) for split in splits.values())
    if least < 0 or greatest >= len(names):
        raise DataError(
            f"labels go from {least} to {greatest}; give whole numbers from 0 to {len(names) - 1}, which are indices "
            f"of the {len(names)} classes"
        )
    return distinct_names(names)
