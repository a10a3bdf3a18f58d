"""The layout of a folder of images: its splits, by the names that people give them, and its classes."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from resunit.data.holding_out import Paths, hold_out
from resunit.data.image_files import (
    OTHER_PHOTOGRAPHS,
    count_loose_images,
    find_files,
    has_image,
    visible_folders,
)
from resunit.data.other_forms import EXPECTED, advise_on_file, advise_on_folder
from resunit.data.split_names import FolderKind, find_kinds
from resunit.errors import DataError
from resunit.io.format import format_count

NAMES_IN_A_NOTE = 3
CIFAR_FILE = re.compile(r"cifar-?(100?)|data_batch_1")


@dataclass(frozen=True)
class FolderLayout:
    """The image files of a folder by split and class; a split that the folder does not have is None."""

    train: Paths
    validation: Paths | None
    test: Paths | None
    notes: tuple[str, ...]
    """What a user should know about files and folders that are not used, a sentence each."""
    is_held_out: bool = False
    """Whether the test images are not a split of the folder, but held out of its only images."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(self.train)


@dataclass(frozen=True)
class JudgedLayout:
    """The image files of a folder that a trained network is judged on, by class."""

    images: Paths
    split: Literal["validation", "test"]
    notes: tuple[str, ...]


def find_folder_layout(folder: Path) -> FolderLayout:
    """Return the files of a folder to train on and to evaluate on.

    FOLDER/train holds the images to train on if it holds class folders, FOLDER/val the images to evaluate on
    during training, and FOLDER/test the images to judge the run on; other tools' names for these folders are
    known too. Otherwise FOLDER holds the class folders itself. Without val and test, a tenth of the images is
    held out as a test set.

    Raises:
        DataError: the folder has no such layout, or cannot be read; the message names it.
    """
    with _named_failures(folder):
        notes: list[str] = []
        splits = _find_splits(folder, notes)
        train_folder = splits.get("train", folder)
        train = _images_by_class(train_folder, notes, apart_from=splits.values())
        if len(train) == 1:
            raise DataError(_one_class(folder, train_folder, next(iter(train))))
        validation, test = (
            _images_of_classes(splits[kind], kind, train, notes) if kind in splits else None
            for kind in ("validation", "test")
        )
        if validation is not None or test is not None:
            return FolderLayout(train, validation, test, tuple(notes))
        if all("train" in find_kinds(_class_folders(train_folder / name)).values() for name in train):
            notes.append(
                f"{train_folder}: each class has a train of its own, and all its images are taken together; for "
                f"splits, expected {train_folder}/train/<class>/<image>"
            )
        train, test = hold_out(train_folder, train)
        return FolderLayout(train, None, test, tuple(notes), is_held_out=True)


def find_judged_layout(folder: Path, classes: Sequence[str] = ()) -> JudgedLayout:
    """Return the files of a folder to judge a trained network on: its test, else its val, else all of them.

    Args:
        folder: holds <class>/<image>, or splits.
        classes: the classes that the network knows. A folder of such a name that holds images itself is a class,
            and a split beside others that holds none of these classes is not used.

    Raises:
        DataError: the folder holds no class folders, or cannot be read; the message names it.
    """
    with _named_failures(folder):
        notes: list[str] = []
        if _holds_classes(folder, classes):
            return JudgedLayout(_images_of_known(folder, classes, notes), "test", tuple(notes))
        splits = _find_splits(folder, notes, needs_train=False)
        for kind in ("test", "validation"):
            if kind in splits:
                images = _images_of_known(splits[kind], classes, notes)
                if not classes or any(name in classes for name in images) or len(splits) == 1:
                    return JudgedLayout(images, kind, tuple(notes))
                notes.append(f"{splits.pop(kind)}: has no class folder of the network, so it is not used")
        where = splits.get("train", folder)
        return JudgedLayout(_images_of_known(where, classes, notes), "test", tuple(notes))


def _holds_classes(folder: Path, classes: Sequence[str]) -> bool:
    """Return whether all folders with images are called like classes, and one of them holds images itself."""
    known = {normalize("NFC", name) for name in classes}
    present = [child for child in visible_folders(folder) if has_image(child)]
    return all(normalize("NFC", child.name) in known for child in present) and any(
        map(count_loose_images, present)
    )


@contextmanager
def _named_failures(folder: Path) -> Iterator[None]:
    """Raise DataError that names the folder or file which the operating system refuses to read."""
    if not folder.is_dir():
        if folder.exists():
            raise DataError(f"{folder}: not a folder; {advise_on_file(folder)}")
        if folder.is_symlink():
            raise DataError(f"{folder}: a link to {folder.readlink()}, which is not there; mount or mend it")
        remedy = "write / between folders" if "\\" in str(folder) else EXPECTED
        raise DataError(f"{folder}: no such folder; {remedy}")
    try:
        yield
    except OSError as error:
        place = os.fsdecode(error.filename) if error.filename else folder
        raise DataError(f"{place}: cannot be read ({error.strerror}); make it readable") from error


def _find_splits(folder: Path, notes: list[str], needs_train: bool = True) -> dict[FolderKind, Path]:
    """Return the folders in `folder` that are splits; what is not used is added to `notes`.

    A folder called train, val or test is a split if it holds class folders. Among other class folders it is a
    class of that name.
    """
    children = visible_folders(folder)
    kinds: tuple[FolderKind, ...] = ("train", "validation", "test")
    kind_of = find_kinds(children)
    named: dict[FolderKind, list[Path]] = {
        kind: [child for child in children if kind_of.get(child) == kind] for kind in kinds
    }
    classes = [child for child in children if child not in kind_of and has_image(child)]
    trains = [
        child
        for child in named["train"]
        if _class_folders(child) and not (classes and count_loose_images(child))
    ]
    if trains:
        if classes:
            beside = f"beside {trains[0].name}/, so it is not used"
            notes.append(f"{_shorten(map(str, classes))}: {beside}")
        return {"train": _only("train", trains), **_find_judged_splits(named, notes)}
    if classes:
        return _splits_among(classes, named)
    splits: dict[FolderKind, Path] = {
        kind: _only(kind, usable) for kind in kinds if (usable := _holding_class_folders(named[kind]))
    }
    present = [child for child in children if has_image(child)]
    if present and (needs_train or not splits):
        unlabelled = next((child for child in present if not _class_folders(child)), None)
        if unlabelled is not None:
            raise DataError(f"{unlabelled}: has no class folders; {advise_on_folder(folder)}")
        raise DataError(
            f"{folder}: has {_shorten(child.name for child in present)} and no train; expected "
            "FOLDER/train/<class>/<image>"
        )
    return splits


def _find_judged_splits(named: Mapping[FolderKind, list[Path]], notes: list[str]) -> dict[FolderKind, Path]:
    splits: dict[FolderKind, Path] = {}
    kinds: tuple[FolderKind, ...] = ("validation", "test")
    for kind in kinds:
        if usable := _holding_class_folders(named[kind]):
            splits[kind] = _only(kind, usable)
        notes.extend(
            f"{child}: has no class folders, so it is not used"
            for child in named[kind]
            if child not in usable
        )
    return splits


def _splits_among(classes: list[Path], named: Mapping[FolderKind, list[Path]]) -> dict[FolderKind, Path]:
    """Return the splits that stand among class folders: they hold class folders of the same names alone."""
    names = {child.name for child in classes}
    splits: dict[FolderKind, Path] = {}
    kinds: tuple[FolderKind, ...] = ("validation", "test")
    for kind in kinds:
        usable = [
            child
            for child in _holding_class_folders(named[kind])
            if not count_loose_images(child) and {inner.name for inner in _class_folders(child)} <= names
        ]
        if usable:
            splits[kind] = _only(kind, usable)
    return splits


def _class_folders(folder: Path) -> list[Path]:
    return [inner for inner in visible_folders(folder) if has_image(inner)]


def _holding_class_folders(folders: list[Path]) -> list[Path]:
    return [folder for folder in folders if _class_folders(folder)]


def _only(kind: FolderKind, folders: list[Path]) -> Path:
    if len(folders) > 1:
        raise DataError(
            f"{folders[1]}: a second folder of {kind} images beside {folders[0].name}/; remove or rename one of them"
        )
    (folder,) = folders
    # Archives that were unpacked into a folder of their own name leave seg_train/seg_train/<class>.
    inner = _class_folders(folder)
    is_doubled = [one.name for one in inner] == [folder.name] and bool(_class_folders(inner[0]))
    return inner[0] if is_doubled else folder


def _images_of_known(folder: Path, classes: Sequence[str], notes: list[str]) -> Paths:
    """Return the files of a folder by class, with the names that `classes` have for the same texts.

    An accented letter is one character or two: archives and systems choose, and the names look the same.
    """
    known = {normalize("NFC", name): name for name in classes}
    images = _images_by_class(folder, notes)
    return {known.get(normalize("NFC", name), name): files for name, files in images.items()}


def _images_of_classes(folder: Path, kind: FolderKind, train: Paths, notes: list[str]) -> Paths | None:
    """Return the files of a split for every class of `train`; None if its only folder is no class of it."""
    images = _images_of_known(folder, list(train), notes)
    unknown = [name for name in images if name not in train]
    # Competitions put the images without labels into one folder or several.
    if len(unknown) == len(images) and (len(images) == 1 or kind == "test"):
        notes.append(f"{folder}: has no class folder of train, so it is not used")
        return None
    lacking = [name for name in train if name not in images]
    if unknown:
        others = f" and has {lacking[0]!r} instead" if lacking else ""
        raise DataError(
            f"{folder}: its classes are not the classes of train, which has no {unknown[0]!r}{others}; add, rename "
            "or remove that folder"
        )
    if lacking:
        notes.append(f"{folder}: has no images of {_shorten(lacking)}, on which nothing is judged")
    return {name: images.get(name, []) for name in train}


def _images_by_class(folder: Path, notes: list[str], apart_from: Iterable[Path] = ()) -> Paths:
    left_out, classes, empty = set(apart_from), {}, []
    loose = count_loose_images(folder)
    for inner in visible_folders(folder):
        if inner in left_out:
            continue
        found = find_files(inner)
        photographs = {
            ending: found.others[ending]
            for ending in sorted(found.others)
            if ending in OTHER_PHOTOGRAPHS or "?" in ending
        }
        if not found.images:
            empty.append(f"{inner}: {_without_image(found.others)}")
        elif photographs:
            count = sum(photographs.values())
            empty.append(
                f"{inner}: {format_count(count, 'file')} with an ending that is not read left out "
                f"({', '.join(photographs)}); convert or rename them"
            )
        if found.images:
            _refuse_same_text(inner, classes)
            classes[inner.name] = found.images
    if not classes:
        found = f" ({empty[0]})" if empty else ""
        advice = _cifar_advice(folder) or advise_on_folder(folder)
        raise DataError(f"{folder}: has no class folders with images; {advice}{found}")
    if loose:
        notes.append(f"{folder}: {format_count(loose, 'image')} beside the class folders left out")
    notes.extend(
        f"{folder}: {' and '.join(alike)} differ in capitals alone, and are different classes"
        for alike in _names_alike(classes)
    )
    notes.extend(empty)
    return classes


def _names_alike(classes: Iterable[str]) -> list[list[str]]:
    """Return the names that differ in capital and small letters alone, group by group."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in classes:
        groups[name.casefold()].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _cifar_advice(folder: Path) -> str:
    """Return what to do with a folder of CIFAR's own files, which other tools take as it is; else an empty text."""
    names = (path.name.lower() for path in (folder, *folder.glob("*"), *folder.glob("*/*")))
    for found in map(CIFAR_FILE.search, names):
        if found is not None:
            name = "cifar100" if found[1] == "100" else "cifar10"
            return f"if it is a copy of {name}, `resunit data fetch {name} --from {folder}` takes it; else {EXPECTED}"
    return ""


def _refuse_same_text(folder: Path, classes: Iterable[str]) -> None:
    """Raise DataError if a class has the name of a folder in other characters that look the same."""
    for name in classes:
        if normalize("NFC", name) == normalize("NFC", folder.name):
            raise DataError(
                f"{folder}: beside it stands a folder of the same name, with its accents in another Unicode form "
                f"({name!a} and {folder.name!a}); put their images into one of them"
            )


def _without_image(others: Counter[str]) -> str:
    """Return a description of what a folder without a readable image holds."""
    if not others:
        return "holds no image"
    endings = ", ".join(ending or "none" for ending, _ in others.most_common(NAMES_IN_A_NOTE))
    return f"{format_count(others.total(), 'file')}, none of an ending that Pillow reads ({endings})"


def _one_class(root: Path, folder: Path, name: str) -> str:
    inner = folder / name
    while len(below := _class_folders(inner)) == 1 and "train" not in find_kinds(below).values():
        (inner,) = below
    if below:
        return f"{folder}: has one class folder, {name!r}; is {inner} meant?"
    advice = advise_on_folder(root)
    return f"{folder}: has one class folder, {name!r}; {'two or more are needed' if advice == EXPECTED else advice}"


def _shorten(names: Iterable[str]) -> str:
    """Return a list of names in words, of which the first few are named."""
    names = list(names)
    more = len(names) - NAMES_IN_A_NOTE
    shown = ", ".join(names[:NAMES_IN_A_NOTE])
    return f"{shown} and {more:,} more" if more > 0 else shown
