"""The tables of a check, for a terminal and for its page."""

from collections.abc import Sequence

from resunit.data.check.check import DataCheck, Group, Size
from resunit.io.format import format_count
from resunit.io.sortable_table import UNKNOWN, Cell, SortableTable

FILES_IN_A_ROW = 4
KINDS = {"exact": "the same pixels", "near": "alike"}


def make_class_table(check: DataCheck) -> SortableTable:
    """Return the table of the classes: their images by split, and the sizes of these."""
    splits = list(check.classes[0].images)
    names = ["held out" if check.is_held_out and split == "test" else split for split in splits]
    rows = [
        (
            Cell(found.name),
            *(Cell(f"{found.images[split]:,}", found.images[split]) for split in splits),
            Cell(f"{found.unreadable:,}", found.unreadable),
            *(_size_cell(size) for size in (found.smallest, found.median, found.largest)),
        )
        for found in check.classes
    ]
    return SortableTable(("class", *names, "unreadable", "smallest", "median", "largest"), rows)


def make_group_table(check: DataCheck, groups: Sequence[Group]) -> SortableTable:
    """Return the table of some groups: what their images have in common, where they stand, and their files."""
    rows = [
        (
            Cell(KINDS[group.kind]),
            Cell(describe_place(check, group)),
            Cell(", ".join(group.classes)),
            Cell(_shorten([image.file for image in group.images])),
        )
        for group in groups
    ]
    return SortableTable(("images", "in", "class", "files"), rows)


def describe_place(check: DataCheck, group: Group) -> str:
    """Return the splits that a group's images stand in, in words: "train and test"."""
    names = ["held out" if check.is_held_out and split == "test" else split for split in group.splits]
    return " and ".join(names)


def describe_findings(check: DataCheck) -> list[str]:
    """Return the findings in sentences; what lies across splits comes first."""
    images = sum(sum(found.images.values()) for found in check.classes)
    across = [group for group in check.groups if group.crosses_splits]
    judged = "held-out" if check.is_held_out else "judged"
    sentences = []
    for kind, words in (("exact", "hold, pixel for pixel,"), ("near", "look like")):
        groups = [group for group in across if group.kind == kind]
        count = len({image.index for group in groups for image in group.images if image.split != "train"})
        if count:
            sentences.append(f"The training images {words} {format_count(count, f'{judged} image')}.")
    if not across:
        sentences.append(f"No {judged} image was found among the training images.")
    if conflicts := sum(len(group.classes) > 1 for group in check.groups):
        sentences.append(f"Equal or alike images have several classes in {format_count(conflicts, 'group')}.")
    counts = [sum(group.kind == kind for group in check.groups) for kind in ("exact", "near")]
    sentences.append(
        f"{format_count(images, 'readable image')}; {format_count(counts[0], 'group')} of equal images, "
        f"{format_count(counts[1], 'group')} of images that look alike; "
        f"{format_count(len(check.unreadable), 'unreadable file')}."
    )
    return sentences


def _size_cell(size: Size | None) -> Cell:
    return Cell(UNKNOWN) if size is None else Cell(f"{size[0]} x {size[1]}", size[0] * size[1])


def _shorten(files: Sequence[str]) -> str:
    more = len(files) - FILES_IN_A_ROW
    return "; ".join(files[:FILES_IN_A_ROW]) + (f"; {more:,} more" if more > 0 else "")
