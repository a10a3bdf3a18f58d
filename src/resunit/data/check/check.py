"""The check itself: every image is decoded once, and what is kept of it is compared with all others."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from resunit.data.check.fingerprint import Fingerprint, take_fingerprint
from resunit.data.check.listing import SPLITS, Listing, SplitName
from resunit.data.check.near_pairs import find_near_pairs
from resunit.data.decoding_threads import decode_in_threads
from resunit.data.remarks import listening
from resunit.errors import DataError

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class ClassCount:
    """The images of one class; sizes are of the readable images, in the order of their areas."""

    name: str
    images: Mapping[SplitName, int]
    """The number of readable images by split."""
    unreadable: int
    smallest: Size | None
    median: Size | None
    largest: Size | None


@dataclass(frozen=True)
class UnreadableImage:
    """A file that cannot be decoded, with the reason."""

    file: str
    problem: str


@dataclass(frozen=True)
class Member:
    """An image of a group."""

    index: int
    """The number of the image in the listing."""
    file: str
    split: SplitName
    class_name: str


@dataclass(frozen=True)
class Group:
    """Images that are the same, or that look alike."""

    kind: Literal["exact", "near"]
    images: tuple[Member, ...]
    splits: tuple[SplitName, ...]
    """The splits that the images stand in."""
    classes: tuple[str, ...]
    """The classes that the images stand in."""

    @property
    def crosses_splits(self) -> bool:
        """Whether one of the images is trained on and another one is judged."""
        return "train" in self.splits and len(self.splits) > 1


@dataclass(frozen=True)
class DataCheck:
    """What was found in a data set."""

    data: str
    is_held_out: bool
    """Whether the test images are those that training would hold out of a folder without splits."""
    classes: tuple[ClassCount, ...]
    unreadable: tuple[UnreadableImage, ...]
    groups: tuple[Group, ...]
    """Groups across splits come first, then those across classes; exact ones come before near ones."""
    notes: tuple[str, ...]


def check_images(listing: Listing, progress: bool = False) -> DataCheck:
    """Return what is in a data set: counts, sizes, unreadable files and images that stand there twice."""
    prints: dict[int, Fingerprint] = {}
    sizes: dict[int, Size] = {}
    broken: dict[int, DataError] = {}
    for index, found in _look_at_all(listing, progress):
        if isinstance(found, DataError):
            broken[index] = found
        else:
            sizes[index], prints[index] = found
    return DataCheck(
        data=listing.data,
        is_held_out=listing.is_held_out,
        classes=tuple(_count_classes(listing, sizes)),
        unreadable=tuple(
            UnreadableImage(listing.images[index].file, str(error)) for index, error in broken.items()
        ),
        groups=tuple(sorted(_find_groups(listing, prints), key=_rank)),
        notes=listing.notes,
    )


def _look_at_all(
    listing: Listing, progress: bool
) -> Iterator[tuple[int, tuple[Size, Fingerprint] | DataError]]:
    def look_at(index: int) -> tuple[Size, Fingerprint] | DataError:
        try:
            with listening(), listing.open(index) as image:
                return image.size, take_fingerprint(image)
        except DataError as error:
            return error

    return decode_in_threads(look_at, len(listing.images), "checking images", progress)


def _count_classes(listing: Listing, sizes: Mapping[int, Size]) -> Iterator[ClassCount]:
    present: list[SplitName] = [
        split for split in SPLITS if any(image.split == split for image in listing.images)
    ]
    members: dict[str, list[int]] = {name: [] for name in listing.classes}
    for index, image in enumerate(listing.images):
        members[image.class_name].append(index)
    for name, indices in members.items():
        readable = [index for index in indices if index in sizes]
        counts = Counter(listing.images[index].split for index in readable)
        by_area = sorted((sizes[index] for index in readable), key=lambda size: (size[0] * size[1], size))
        yield ClassCount(
            name=name,
            images={split: counts[split] for split in present},
            unreadable=len(indices) - len(readable),
            smallest=by_area[0] if by_area else None,
            median=by_area[len(by_area) // 2] if by_area else None,
            largest=by_area[-1] if by_area else None,
        )


def _find_groups(listing: Listing, prints: Mapping[int, Fingerprint]) -> Iterator[Group]:
    equal: dict[bytes, list[int]] = defaultdict(list)
    for index, found in prints.items():
        equal[found.pixels].append(index)
    sets = list(equal.values())
    yield from (_group(listing, "exact", members) for members in sets if len(members) > 1)
    if not sets:
        return
    first = [prints[members[0]] for members in sets]
    hashes = np.array([found.difference_hash for found in first], dtype=np.uint64)
    colours = np.stack([found.colours for found in first])
    for alike in _join(find_near_pairs(hashes, colours)):
        yield _group(listing, "near", sorted(index for place in alike for index in sets[place]))


def _join(pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Return the sets of numbers that pairs join, directly or through others."""
    sets: dict[int, set[int]] = {}
    for one, other in pairs:
        joined = sets.get(one, {one}) | sets.get(other, {other})
        sets.update(dict.fromkeys(joined, joined))
    return list({id(found): found for found in sets.values()}.values())


def _group(listing: Listing, kind: Literal["exact", "near"], members: Sequence[int]) -> Group:
    images = [listing.images[index] for index in members]
    splits = {image.split for image in images}
    return Group(
        kind=kind,
        images=tuple(
            Member(index, image.file, image.split, image.class_name)
            for index, image in zip(members, images, strict=True)
        ),
        splits=tuple(split for split in SPLITS if split in splits),
        classes=tuple(sorted({image.class_name for image in images})),
    )


def _rank(group: Group) -> tuple[bool, bool, bool, int]:
    return (
        not group.crosses_splits,
        len(group.classes) == 1,
        group.kind == "near",
        group.images[0].index,
    )
