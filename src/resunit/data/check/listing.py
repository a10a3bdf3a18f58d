"""The images of a data set by split and class, listed before any of them is decoded."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from resunit.data.dataset import Split
from resunit.data.images import opened_upright
from resunit.data.layout import find_folder_layout
from resunit.data.loading import is_folder, load, named_folder

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class ListedImage:
    """An image of a data set."""

    file: str
    """The path of the file, or the image's number in its split, such as "test 12"."""
    split: SplitName
    class_name: str


@dataclass(frozen=True)
class Listing:
    """All images of a data set, and how each of them is opened."""

    data: str
    classes: tuple[str, ...]
    images: tuple[ListedImage, ...]
    open: Callable[[int], AbstractContextManager[Image.Image]]
    """Gives the image at an index, upright and in RGB; it raises DataError for an unreadable file."""
    is_held_out: bool = False
    """Whether the test images are those that training would hold out of a folder without splits."""
    notes: tuple[str, ...] = ()


def list_images(name: str, progress: bool = False) -> Listing:
    """Return the images of a folder as training would split them, or of a data set that is known by its name.

    Raises:
        UsageError: the name is unknown.
        DataError: the folder has no layout that training takes, or the data set cannot be fetched.
    """
    return _list_folder(named_folder(name)) if is_folder(name) else _list_known(name, progress)


def _list_folder(folder: Path) -> Listing:
    layout = find_folder_layout(folder)
    splits = zip(SPLITS, (layout.train, layout.validation, layout.test), strict=True)
    files: list[tuple[Path, SplitName, str]] = [
        (path, split, name)
        for split, paths in splits
        for name, of_class in (paths or {}).items()
        for path in of_class
    ]

    def open_image(index: int) -> AbstractContextManager[Image.Image]:
        return opened_upright(files[index][0])

    images = tuple(ListedImage(str(path), split, name) for path, split, name in files)
    return Listing(str(folder), layout.classes, images, open_image, layout.is_held_out, layout.notes)


def _list_known(name: str, progress: bool) -> Listing:
    dataset = load(name, progress=progress)
    splits: tuple[tuple[SplitName, Split], ...] = (("train", dataset.train), ("test", dataset.test))
    places = [(split, number) for _, split in splits for number in range(len(split))]

    def open_image(index: int) -> AbstractContextManager[Image.Image]:
        split, number = places[index]
        return nullcontext(Image.fromarray(split.images[number].permute(1, 2, 0).contiguous().numpy()))

    images = tuple(
        ListedImage(f"{split_name} {number}", split_name, dataset.classes[label])
        for split_name, split in splits
        for number, label in enumerate(split.labels.tolist())
    )
    return Listing(name, dataset.classes, images, open_image)
