"""Data sets by name: the first use fetches a data set, and every use checks its files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from resunit.data.averaging import with_averaged_images
from resunit.data.cifar.facts import CIFAR10, CIFAR100, Cifar
from resunit.data.cifar.fetching import fetch_cifar
from resunit.data.cifar.sample import FOLDER, SAMPLE
from resunit.data.cifar.storage import FileCheck, check_stored, is_stored, read_stored
from resunit.data.dataset import Dataset, Split
from resunit.data.folders import JudgedImages, read_folder, read_judged_folder, stream_folder
from resunit.data.streaming import StreamedSplit
from resunit.errors import DataError, UsageError, unknown
from resunit.io.places import data_root, user_path

KNOWN = {cifar.name: cifar for cifar in (CIFAR10, CIFAR100, SAMPLE)}


def is_folder(name: str) -> bool:
    """Return whether `name` means a folder of images, and no data set that is known by its name."""
    return name not in KNOWN


def is_at_hand(name: str) -> bool:
    """Return whether a data set can be read without fetching anything: a stored one, the sample or a folder."""
    if is_folder(name):
        return user_path(name).is_dir()
    return not KNOWN[name].sources or is_stored(_folder_of(KNOWN[name], None))


def named_folder(name: str) -> Path:
    """Return the folder that `name` means. Raises UsageError for a single word that names nothing."""
    path = user_path(name)
    is_path = path.exists() or path.is_symlink() or os.sep in name or "\\" in name
    if not is_path:
        raise _unknown(name)
    return path


def load(
    name: str,
    *,
    root: Path | str | None = None,
    image_size: int | None = None,
    progress: bool = True,
    skip_broken: int = 0,
) -> Dataset[Split]:
    """Return a data set in memory.

    Args:
        name: "cifar10", "cifar100", "cifar10-sample", or a folder of images in class sub-folders. CIFAR is
            fetched on its first use.
        root: the folder of all stored data sets; by default $RESUNIT_DATA, else one in the user's cache.
        image_size: the side in pixels that all images get. Images of a folder are resized; by default to 32 or
            224. CIFAR's images of 32 can be averaged to 16 or 8.
        progress: whether progress is shown on stderr.
        skip_broken: up to this number of unreadable images of a folder is left out and listed in the data set's
            notes.

    Raises:
        UsageError: the name is unknown, or `image_size` does not fit the data set.
        Unreachable: the data set cannot be fetched.
        DataError: a file or folder is missing, altered or unreadable; the message names it.
    """
    if name not in KNOWN:
        return read_folder(named_folder(name), image_size, progress, skip_broken)
    cifar = KNOWN[name]
    folder = _folder_of(cifar, root)
    if cifar.sources and not is_stored(folder):
        fetch_cifar(cifar, folder, None, progress)
    dataset = read_stored(folder, cifar)
    return dataset if image_size is None else with_averaged_images(dataset, image_size)


def noise_like(name: str, *, image_size: int | None = None) -> Dataset[Split] | None:
    """Return noise with the classes, the number and the size of a known data set's images; nothing is read.

    All images are one image, so that they take no memory. A folder has no such stand-in: the answer is None.

    Raises:
        UsageError: `image_size` does not fit the data set.
    """
    if name not in KNOWN:
        return None
    cifar = KNOWN[name]
    pixels = torch.randint(256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    one = Split(pixels.to(torch.uint8), torch.zeros(1, dtype=torch.int64))
    dataset = Dataset(cifar.name, cifar.classes, one, one, checksum="", source="noise")
    if image_size is not None:
        dataset = with_averaged_images(dataset, image_size)
    train, test = (
        Split(one.images.expand(count, -1, -1, -1), torch.arange(count) % len(cifar.classes))
        for one, count in (
            (dataset.train, sum(cifar.train.values())),
            (dataset.test, sum(cifar.test.values())),
        )
    )
    return replace(dataset, train=train, test=test)


def stream(
    name: str,
    *,
    image_size: int | None = None,
    progress: bool = False,
    skip_broken: int = 0,
    checked: bool = False,
) -> Dataset[StreamedSplit]:
    """Return a folder of images as a data set that stays on disk.

    Args:
        name: the folder, which holds train/<class>/<image> and val/<class>/<image>.
        image_size: the side in pixels of the crops that training takes; by default 32 or 224.
        progress: whether progress is shown on stderr.
        skip_broken: up to this number of unreadable images is left out; to find them, all images are decoded once.
        checked: whether all images are decoded once, also if none is left out.

    Raises:
        UsageError: `name` is no folder.
        DataError: a file or folder is missing or unreadable; the message names it.
    """
    return stream_folder(_streamable(name), image_size, progress, skip_broken, checked)


def load_judged(
    name: str,
    classes: Sequence[str],
    image_size: int,
    *,
    streamed: bool = False,
    progress: bool = True,
    trained_on: Path | None = None,
    skip_broken: int = 0,
) -> JudgedImages:
    """Return the images that a trained network is judged on.

    Args:
        name: as for `load`, or as for `stream`. Of a folder of classes all images are judged; of one with splits its
            test images, else its validation images.
        classes: the classes that the network knows. A folder may lack some of them.
        image_size: the side in pixels that the images of a folder get, or that streamed images are cropped to.
        streamed: whether the images stay on disk.
        progress: whether progress is shown on stderr.
        trained_on: the folder that the network was trained on, if there is one. A note says how many of the
            judged images are among those that it gives to train on.
        skip_broken: up to this number of unreadable images of a folder is left out and listed in the notes.

    Raises:
        UsageError: the name is unknown, or `image_size` does not fit the data set.
        DataError: the data cannot be fetched or read, or have other classes.
    """
    if streamed or name not in KNOWN:
        return read_judged_folder(
            _streamable(name) if streamed else named_folder(name),
            classes,
            image_size,
            streamed=streamed,
            progress=progress,
            trained_on=trained_on,
            skip_broken=skip_broken,
        )
    dataset = load(name, image_size=image_size, progress=progress)
    if dataset.classes != tuple(classes):
        raise DataError(
            f"{name}: its classes are not those of the network; give --data with the network's classes"
        )
    return JudgedImages(dataset.name, dataset.test)


def fetch(
    name: str, *, root: Path | str | None = None, source: Path | str | None = None, progress: bool = True
) -> Path:
    """Store a data set whole and checked, unless it is stored already, and return its folder.

    Args:
        name: "cifar10", "cifar100" or "cifar10-sample".
        root: as for `load`.
        source: an archive or a folder that the user already has, in any known container.
        progress: whether progress is shown on stderr.

    Raises:
        UsageError: the name is unknown, or `source` is given for the sample, which ships inside resunit.
        Unreachable: the data set cannot be fetched.
        DataError: `source` is not a whole container of the data set, or nothing can be stored.
    """
    cifar = _known(name)
    folder = _folder_of(cifar, root)
    if cifar.sources:
        fetch_cifar(cifar, folder, None if source is None else user_path(source), progress)
    elif source is not None:
        raise UsageError(f"{name} ships inside resunit; it is not fetched")
    return folder


def verify(name: str, *, root: Path | str | None = None) -> list[FileCheck]:
    """Return the outcome of checking each stored file of a data set; nothing is fetched.

    Args:
        name: "cifar10", "cifar100" or "cifar10-sample".
        root: as for `load`.

    Raises:
        UsageError: the name is unknown.
    """
    cifar = _known(name)
    return check_stored(_folder_of(cifar, root), cifar)


def _folder_of(cifar: Cifar, root: Path | str | None) -> Path:
    return FOLDER if cifar is SAMPLE else data_root(root) / cifar.name


def _known(name: str) -> Cifar:
    if name not in KNOWN:
        raise _unknown(name)
    return KNOWN[name]


def _streamable(name: str) -> Path:
    if name in KNOWN:
        raise UsageError(f"{name} has images of 32 x 32; crops at many scales need a folder of larger ones")
    path = user_path(name)
    if not path.exists():
        raise UsageError(
            f"no folder {name!r}; give --data FOLDER, with train/<class>/<image> and val/<class>/<image>"
        )
    return path


def _unknown(name: str) -> UsageError:
    return unknown("data set", name, [*KNOWN, "a folder of images"])
