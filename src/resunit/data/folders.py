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

HELD_OUT = 0.1
Paths = dict[str, list[Path]]


def read_folder(folder: Path, image_size: int | None = None, progress: bool = True) -> Dataset[Split]:
    """The images below FOLDER/train and FOLDER/test (or val), else below FOLDER, of which 10 % are held out.

    Which are held out depends on a hash of each file's path, so it is the same on every machine.
    `image_size` defaults to 32 for small images, else 224. Raises DataError, UsageError.
    """
    train, test, split_name = _splits(folder)
    everything = _everything(train, test)
    size = _size(everything, image_size)
    _check_memory(folder, len(everything), size)
    classes = tuple(train)
    learn, judge = (_read_split(split, classes, size, progress) for split in (train, test))
    checksum = content_checksum(classes, learn, judge)
    return Dataset(str(folder.resolve()), classes, learn, judge, checksum, str(folder), split_name)


def stream_folder(folder: Path, image_size: int | None = None) -> Dataset[StreamedSplit]:
    """The same images, left on disk; `image_size` is the side of the crops that training takes of them.

    Any beginning of the images to be judged on is spread over the classes. Raises DataError, UsageError.
    """
    place = folder.resolve()
    train, test, split_name = _splits(place)
    size = _size(_everything(train, test), image_size)
    classes = tuple(train)
    learn, judge = (StreamedSplit(place, *_files(split, classes), size) for split in (train, test))
    judge = judge[spread_over_classes(judge.labels, seed=0)]
    checksum = content_checksum(classes, learn, judge)
    return Dataset(str(place), classes, learn, judge, checksum, str(folder), split_name)


def _splits(folder: Path) -> tuple[Paths, Paths, Literal["test", "validation"]]:
    if not folder.is_dir():
        problem = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {problem}; expected FOLDER/<class>/<image>")
    train = folder / "train"
    if not train.is_dir():
        return *_hold_out(folder, _images_by_class(folder)), "test"
    images = _images_by_class(train)
    if (folder / "test").is_dir():
        return images, _images_to_judge(folder / "test", images), "test"
    if (folder / "val").is_dir():
        return images, _images_to_judge(folder / "val", images), "validation"
    return *_hold_out(train, images), "test"


def _images_to_judge(folder: Path, train: Paths) -> Paths:
    images = _images_by_class(folder)
    if odd := sorted(images.keys() ^ train.keys()):
        raise DataError(f"{folder}: its classes are not those of train: {odd[0]!r} is in one only")
    return images


def _images_by_class(folder: Path) -> Paths:
    classes = {}
    for inner in sorted(folder.iterdir()):
        if inner.is_dir() and not inner.name.startswith("."):
            paths = sorted(path for path in inner.rglob("*") if path.suffix.lower() in SUFFIXES)
            if paths:
                classes[inner.name] = paths
    if not classes:
        raise DataError(f"{folder}: has no class folders: expected FOLDER/<class>/<image>")
    if len(classes) == 1:
        raise DataError(f"{folder}: has one class folder, {next(iter(classes))!r}, and needs two or more")
    return classes


def _hold_out(folder: Path, images: Paths) -> tuple[Paths, Paths]:
    """Each class keeps an image to learn from and, if it has two or more, gives one to be judged on."""
    train, test = {}, {}
    for name, paths in images.items():
        ranked = sorted(paths, key=lambda path: _position(path, folder))
        below = sum(_position(path, folder) < HELD_OUT for path in paths)
        held = set(ranked[: min(max(below, 1), len(paths) - 1)])
        train[name] = [path for path in paths if path not in held]
        test[name] = [path for path in paths if path in held]
    return train, test


def _position(path: Path, folder: Path) -> float:
    """A number in [0, 1) that depends on the path within the folder and on nothing else."""
    digest = hashlib.sha256(path.relative_to(folder).as_posix().encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _everything(*splits: Paths) -> list[Path]:
    return [path for split in splits for paths in split.values() for path in paths]


def _size(paths: list[Path], image_size: int | None) -> int:
    size = _default_size(paths) if image_size is None else image_size
    if size < 1:
        raise UsageError(f"image_size {size} is not a number of pixels")
    return size


def _default_size(paths: list[Path]) -> int:
    sample = paths[:: max(1, len(paths) // 64)]
    return 32 if median(shorter_side(path) for path in sample) <= 64 else 224


def _check_memory(folder: Path, images: int, image_size: int) -> None:
    need, have = images * 3 * image_size**2, psutil.virtual_memory().available
    if need > have:
        raise DataError(
            f"{folder}: {images:,} images of {image_size} x {image_size} need {need / 2**30:.1f} GiB of"
            f" memory and {have / 2**30:.1f} GiB are free; choose a smaller image_size, fewer images,"
            " or crop=scale, which reads them as they are needed"
        )


def _read_split(split: Paths, classes: tuple[str, ...], image_size: int, progress: bool) -> Split:
    paths = [path for name in classes for path in split[name]]
    return Split(read_images(paths, image_size, progress), _labels(split, classes))


def _files(split: Paths, classes: tuple[str, ...]) -> tuple[np.ndarray, Tensor]:
    paths = np.array([os.fsencode(path) for name in classes for path in split[name]])
    return paths, _labels(split, classes)


def _labels(split: Paths, classes: tuple[str, ...]) -> Tensor:
    return torch.tensor([label for label, name in enumerate(classes) for _ in split[name]], dtype=torch.int64)
