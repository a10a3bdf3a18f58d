"""Any folder of images in class sub-folders, as a data set in memory or streamed from disk."""

import hashlib
import os
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import psutil
import torch
from torch import Tensor

from resunit.data.dataset import Dataset, Split, content_checksum, spread_over_classes
from resunit.data.images import SUFFIXES, read_images, shorter_side
from resunit.data.streaming import StreamedSplit
from resunit.errors import DataError, UsageError

HELD_OUT_SHARE = 0.1
SAMPLED_IMAGES = 64  # Their sizes decide the default image size.
Paths = dict[str, list[Path]]  # The image files of each class.


def read_folder(folder: Path, image_size: int | None = None, progress: bool = True) -> Dataset[Split]:
    """Return the images of a folder as a data set in memory.

    FOLDER/train holds the images to train on, and FOLDER/test or FOLDER/val the images to evaluate on.
    Where there is neither test nor val, 10 % of the images are held out. A hash of each file's path decides
    which, so that every machine holds out the same images.

    Args:
        folder: holds <class>/<image>, or train/<class>/<image> and so on.
        image_size: the side in pixels that all images get; by default 32 if they are small, else 224.
        progress: whether progress is shown on stderr.

    Raises:
        DataError: the folder has no such layout, an image is not readable, or the memory does not suffice.
        UsageError: `image_size` is below 1.
    """
    train_paths, test_paths, split_name = _find_splits(folder)
    everything = _all_paths(train_paths, test_paths)
    size = _image_size(everything, image_size)
    _check_memory(folder, len(everything), size)
    classes = tuple(train_paths)
    train, test = (_read_split(paths, classes, size, progress) for paths in (train_paths, test_paths))
    checksum = content_checksum(classes, train, test)
    return Dataset(str(folder.resolve()), classes, train, test, checksum, str(folder), split_name)


def stream_folder(folder: Path, image_size: int | None = None) -> Dataset[StreamedSplit]:
    """Return the images of a folder, as `read_folder` finds them, as a data set that stays on disk.

    Any beginning of the images to evaluate on is spread over the classes.

    Args:
        folder: holds <class>/<image>, or train/<class>/<image> and so on.
        image_size: the side in pixels of the crops that training takes; by default 32 or 224.

    Raises:
        DataError: the folder has no such layout, or cannot be read.
        UsageError: `image_size` is below 1.
    """
    root = folder.resolve()
    train_paths, test_paths, split_name = _find_splits(root)
    size = _image_size(_all_paths(train_paths, test_paths), image_size)
    classes = tuple(train_paths)
    train, test = (
        StreamedSplit(root, _encoded(paths, classes), _labels(paths, classes), size)
        for paths in (train_paths, test_paths)
    )
    test = test[spread_over_classes(test.labels, seed=0)]
    checksum = content_checksum(classes, train, test)
    return Dataset(str(root), classes, train, test, checksum, str(folder), split_name)


def _find_splits(folder: Path) -> tuple[Paths, Paths, Literal["test", "validation"]]:
    """Return the files to train on, the files to evaluate on, and what the latter are."""
    try:
        return _splits_below(folder)
    except OSError as error:
        place = error.filename or folder
        raise DataError(f"{place}: cannot be read ({error.strerror}); make it readable") from error


def _splits_below(folder: Path) -> tuple[Paths, Paths, Literal["test", "validation"]]:
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {problem}; expected FOLDER/<class>/<image>")
    train = folder / "train"
    if not train.is_dir():
        return *_hold_out(folder, _images_by_class(folder)), "test"
    images = _images_by_class(train)
    if (folder / "test").is_dir():
        return images, _images_of_same_classes(folder / "test", images), "test"
    if (folder / "val").is_dir():
        return images, _images_of_same_classes(folder / "val", images), "validation"
    return *_hold_out(train, images), "test"


def _images_of_same_classes(folder: Path, train: Paths) -> Paths:
    images = _images_by_class(folder)
    if odd := sorted(images.keys() ^ train.keys()):
        raise DataError(
            f"{folder}: its classes are not the classes of train: only one of them has {odd[0]!r}; "
            "add or remove that folder"
        )
    return images


def _images_by_class(folder: Path) -> Paths:
    classes = {}
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and not inner.name.startswith("."):
            paths = sorted(path for path in inner.rglob("*") if path.suffix.lower() in SUFFIXES)
            if paths:
                classes[inner.name] = paths
    if not classes:
        raise DataError(f"{folder}: has no class folders; expected FOLDER/<class>/<image>")
    if len(classes) == 1:
        raise DataError(f"{folder}: has one class folder, {next(iter(classes))!r}; two or more are needed")
    return classes


def _hold_out(folder: Path, images: Paths) -> tuple[Paths, Paths]:
    """Split the images; every class keeps one or more to train on, and gives one or more if it has two."""
    train, test = {}, {}
    for name, paths in images.items():
        ranked = sorted(paths, key=lambda path: _rank_of(path, folder))
        below = sum(_rank_of(path, folder) < HELD_OUT_SHARE for path in paths)
        held = set(ranked[: min(max(below, 1), len(paths) - 1)])
        train[name] = [path for path in paths if path not in held]
        test[name] = [path for path in paths if path in held]
    return train, test


def _rank_of(path: Path, folder: Path) -> float:
    """Return a number in [0, 1) that depends on the path within the folder and on nothing else."""
    digest = hashlib.sha256(path.relative_to(folder).as_posix().encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _all_paths(*splits: Paths) -> list[Path]:
    return [path for split in splits for paths in split.values() for path in paths]


def _image_size(paths: list[Path], asked: int | None) -> int:
    size = _default_size(paths) if asked is None else asked
    if size < 1:
        raise UsageError(f"image_size must be at least 1 pixel, not {size}")
    return size


def _default_size(paths: list[Path]) -> int:
    sample = paths[:: max(1, len(paths) // SAMPLED_IMAGES)]
    return 32 if median(shorter_side(path) for path in sample) <= 64 else 224


def _check_memory(folder: Path, images: int, image_size: int) -> None:
    needed, free = images * 3 * image_size**2, psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"{folder}: {images:,} images of {image_size} x {image_size} need {needed / 2**30:.1f} GiB of"
            f" memory and {free / 2**30:.1f} GiB are free; set a smaller image_size, give fewer images,"
            " or set crop to scale, with which images stay on disk until they are needed"
        )


def _read_split(paths: Paths, classes: tuple[str, ...], image_size: int, progress: bool) -> Split:
    files = [path for name in classes for path in paths[name]]
    return Split(read_images(files, image_size, progress), _labels(paths, classes))


def _encoded(paths: Paths, classes: tuple[str, ...]) -> np.ndarray:
    """Return the paths (N,) of all classes as one array of bytes."""
    return np.array([os.fsencode(path) for name in classes for path in paths[name]])


def _labels(paths: Paths, classes: tuple[str, ...]) -> Tensor:
    return torch.tensor([label for label, name in enumerate(classes) for _ in paths[name]], dtype=torch.int64)
