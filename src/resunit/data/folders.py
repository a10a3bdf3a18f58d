"""Any folder of images in class sub-folders, as a data set in memory or streamed from disk."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from resunit.data.dataset import Dataset, S, Split, content_checksum, spread_over_classes
from resunit.data.holding_out import Paths
from resunit.data.image_check import find_broken
from resunit.data.images import DecodedImages, decode_all, shorter_side
from resunit.data.layout import FolderLayout, JudgedLayout, find_folder_layout, find_judged_layout
from resunit.data.streaming import StreamedSplit, scaled_side
from resunit.errors import DataError, UsageError
from resunit.io.memory import free_memory

SAMPLED_IMAGES = 64  # Their sizes decide the default image size.


@dataclass(frozen=True)
class JudgedImages:
    """Images that a trained network is judged on."""

    name: str
    """A known name, such as "cifar10", or the path of a folder."""
    images: Split | StreamedSplit
    split_name: Literal["test", "validation"] = "test"
    notes: tuple[str, ...] = ()
    """What a user should know about the images, as in `Dataset`."""


def read_folder(
    folder: Path, image_size: int | None = None, progress: bool = True, skip_broken: int = 0
) -> Dataset[Split]:
    """Return the images of a folder as a data set in memory.

    FOLDER/train holds the images to train on, and FOLDER/test or FOLDER/val the images to evaluate on; with
    both, val is evaluated during training and test at the end. With neither, 10 % of the images are held out.

    Args:
        folder: holds <class>/<image>, or train/<class>/<image> and so on (data/layout.py).
        image_size: the side in pixels that all images get; by default 32 if they are small, else 224.
        progress: whether progress is shown on stderr.
        skip_broken: up to this number of unreadable images is left out and listed in the notes.

    Raises:
        DataError: the folder has no such layout, too many images are not readable, or the memory does not
            suffice.
        UsageError: `image_size` is below 1.
    """
    layout = find_folder_layout(folder)
    classes, parts = layout.classes, _parts(layout)
    files = [path for part in parts for path in _sort_by_path(part, classes)]
    size = _image_size(files, image_size)
    _check_memory(folder, len(files), size)
    decoded = decode_all(files, size, skip_broken=skip_broken, progress=progress)
    labels = [_labels(part, classes) for part in parts]
    whole = _whole_splits([len(part) for part in labels], decoded)
    splits = [Split(images, part[kept]) for images, kept, part in zip(*whole, labels, strict=True)]
    _check_what_is_left(folder, classes, splits)
    notes = (*layout.notes, *decoded.remarks.describe().values(), *_describe_skipped(decoded.broken))
    return _dataset(folder, folder.resolve(), layout, splits, notes)


def stream_folder(
    folder: Path,
    image_size: int | None = None,
    progress: bool = False,
    skip_broken: int = 0,
    checked: bool = False,
) -> Dataset[StreamedSplit]:
    """Return the images of a folder, as `read_folder` finds them, as a data set that stays on disk.

    The first n images to evaluate on are spread over the classes, for every n.

    Args:
        folder: holds <class>/<image>, or train/<class>/<image> and so on.
        image_size: the side in pixels of the crops that training takes; by default 32 or 224.
        progress: whether progress is shown on stderr.
        skip_broken: up to this number of unreadable images is left out; to find them, all images are decoded once.
        checked: whether all images are decoded once, also if none is left out.

    Raises:
        DataError: the folder has no such layout, cannot be read, or has too many unreadable images as far as they
            were looked for.
        UsageError: `image_size` is below 1.
    """
    root = folder.resolve()
    layout = find_folder_layout(root)
    classes, parts = layout.classes, _parts(layout)
    files = [path for part in parts for path in _sort_by_path(part, classes)]
    size = _image_size(files, image_size)
    broken: dict[int, DataError] = {}
    if checked or skip_broken:
        broken = find_broken(root, files, scaled_side(size, 8), skip_broken, progress)
    splits, start = [], 0
    for part in parts:
        labels = _labels(part, classes)
        kept = _select_kept(start, len(labels), broken)
        splits.append(StreamedSplit(root, _encode(_sort_by_path(part, classes)), labels, size)[kept])
        start += len(labels)
    _check_what_is_left(folder, classes, splits)
    train, *judged = splits
    judged = [split[spread_over_classes(split.labels, seed=0)] for split in judged]
    return _dataset(folder, root, layout, [train, *judged], (*layout.notes, *_describe_skipped(broken)))


def read_judged_folder(
    folder: Path,
    classes: Sequence[str],
    image_size: int,
    *,
    streamed: bool = False,
    progress: bool = True,
    trained_on: Path | None = None,
    skip_broken: int = 0,
) -> JudgedImages:
    """Return the images of a folder that a trained network is judged on: all of a folder of classes.

    Args:
        folder: holds <class>/<image>, or test/<class>/<image>, which is preferred to val/<class>/<image>.
        classes: the classes that the network knows; the folder may lack some of them.
        image_size: the side in pixels that all images get, or that streamed images are cropped to.
        streamed: whether the images stay on disk.
        progress: whether progress is shown on stderr.
        trained_on: the folder that the network was trained on, if there is one. A note says how many of the
            judged images are among those that it gives to train on.
        skip_broken: up to this number of unreadable images is left out and listed in the notes.

    Raises:
        DataError: the folder has no such layout or another class, too many images are not readable, or the memory
            does not suffice.
    """
    root = folder.resolve()
    layout, notes = _find_judged(root if streamed else folder, classes)
    files, labels = _sort_by_path(layout.images, classes), _labels(layout.images, classes)
    broken: dict[int, DataError] = {}
    if streamed:
        if skip_broken:
            broken = find_broken(root, files, scaled_side(image_size, 8), skip_broken, progress)
        kept = _select_kept(0, len(files), broken)
        images = StreamedSplit(root, _encode(files), labels, image_size)[kept]
    else:
        _check_memory(folder, len(files), image_size)
        decoded = decode_all(files, image_size, skip_broken=skip_broken, progress=progress)
        broken = decoded.broken
        kept = _select_kept(0, len(files), broken)
        images = Split(decoded.images, labels[kept])
        notes += tuple(decoded.remarks.describe().values())
    notes += tuple(_describe_skipped(broken))
    judged = [files[index] for index in kept.tolist()]
    if trained_on is not None and (trained := _count_trained(judged, trained_on)):
        notes += (f"{folder}: the network was trained on {trained:,} of these {len(judged):,} images",)
    return JudgedImages(str(root), images, layout.split, notes)


def _count_trained(files: list[Path], trained_on: Path) -> int:
    """Return how many of the files are among those that a folder gives to train on; 0 if it is no longer there."""
    try:
        train = find_folder_layout(trained_on).train
    except DataError:
        return 0
    known = {_identify(path) for paths in train.values() for path in paths}
    return sum(_identify(path) in known for path in files)


def _identify(path: Path) -> tuple[int, int] | Path:
    """Return what a file has in common with all links to it; the path itself if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino


def _find_judged(folder: Path, classes: Sequence[str]) -> tuple[JudgedLayout, tuple[str, ...]]:
    layout = find_judged_layout(folder, classes)
    if unknown := [name for name in layout.images if name not in classes]:
        raise DataError(
            f"{folder}: has a class {unknown[0]!r} that the network does not know ({', '.join(classes[:3])}"
            f"{', ...' if len(classes) > 3 else ''}); --data must have classes that the network was trained on"
        )
    lacking = [name for name in classes if name not in layout.images]
    if not lacking:
        return layout, layout.notes
    more = f" and {len(lacking) - 3:,} more" if len(lacking) > 3 else ""
    return layout, (*layout.notes, f"{folder}: has no images of {', '.join(lacking[:3])}{more}")


def _parts(layout: FolderLayout) -> list[Paths]:
    """Return the files to train on, those to judge the run on, and those to evaluate on during training, if any."""
    return [layout.train, *(part for part in (layout.test, layout.validation) if part is not None)]


def _dataset(
    folder: Path, root: Path, layout: FolderLayout, splits: list[S], notes: tuple[str, ...]
) -> Dataset[S]:
    train, test = splits[:2]
    return Dataset(
        name=str(root),
        classes=layout.classes,
        train=train,
        test=test,
        checksum=content_checksum(layout.classes, *splits),
        source=str(folder),
        split_name="validation" if layout.test is None else "test",
        validation=splits[2] if len(splits) > 2 else None,
        notes=notes,
    )


def _whole_splits(counts: list[int], decoded: DecodedImages) -> tuple[list[Tensor], list[Tensor]]:
    """Return the images of each split, and which of its files they are; `counts` are its numbers of files."""
    images, kept, file, image = [], [], 0, 0
    for count in counts:
        kept.append(_select_kept(file, count, decoded.broken))
        images.append(decoded.images[image : image + len(kept[-1])])
        file, image = file + count, image + len(kept[-1])
    return images, kept


def _select_kept(start: int, count: int, broken: dict[int, DataError]) -> Tensor:
    """Return the indices in a split of the files `start`, ... that are not broken."""
    return torch.tensor([index for index in range(count) if start + index not in broken], dtype=torch.int64)


def _describe_skipped(broken: dict[int, DataError]) -> Iterator[str]:
    for error in broken.values():
        yield f"skipped: {error}"


def _check_what_is_left(
    folder: Path, classes: tuple[str, ...], splits: Sequence[Split | StreamedSplit]
) -> None:
    """Raise DataError if a class has no image to train on, or no image is there to judge."""
    counts = torch.bincount(splits[0].labels, minlength=len(classes)).tolist()
    for name, count in zip(classes, counts, strict=True):
        if not count:
            raise DataError(
                f"{folder}: none of the training images of class {name!r} is readable; replace them"
            )
    if not all(len(split) for split in splits):
        raise DataError(f"{folder}: none of the images to evaluate on is readable; replace them")


def _image_size(paths: list[Path], asked: int | None) -> int:
    size = _default_size(paths) if asked is None else asked
    if size < 1:
        raise UsageError(f"image_size must be at least 1 pixel, not {size}")
    return size


def _default_size(paths: list[Path]) -> int:
    sides = []
    for path in paths[:: max(1, len(paths) // SAMPLED_IMAGES)]:
        with suppress(DataError):  # The code that decodes all images names the first broken one.
            sides.append(shorter_side(path))
    return 32 if not sides or median(sides) <= 64 else 224


def _check_memory(folder: Path, images: int, image_size: int) -> None:
    needed, free = images * 3 * image_size**2, free_memory()
    if needed > free:
        raise DataError(
            f"{folder}: {images:,} images of {image_size} x {image_size} need {needed / 2**30:.1f} GiB of"
            f" memory and {free / 2**30:.1f} GiB are free; set a smaller image_size, give fewer images,"
            " or set crop to scale, with which images stay on disk until they are needed"
        )


def _sort_by_path(paths: Paths, classes: Sequence[str]) -> list[Path]:
    return [path for name in classes for path in paths.get(name, ())]


def _encode(files: list[Path]) -> np.ndarray:
    """Return the paths (N,) as one array of bytes."""
    return np.array([os.fsencode(path) for path in files])


def _labels(paths: Paths, classes: Sequence[str]) -> Tensor:
    labels = [label for label, name in enumerate(classes) for _ in paths.get(name, ())]
    return torch.tensor(labels, dtype=torch.int64)
