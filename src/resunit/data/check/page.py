"""The page of a check: the findings, the images that stand there twice side by side, and the classes."""

from dataclasses import dataclass

from resunit.data.check.check import DataCheck, Group
from resunit.data.check.listing import Listing
from resunit.data.check.tables import KINDS, describe_findings, describe_place, make_class_table
from resunit.data.data_uri import data_uri
from resunit.data.remarks import listening, pillow_warnings_heard
from resunit.io.format import format_count
from resunit.io.page import render_page

MOST_GROUPS = 100
MOST_PICTURES = 6
MOST_PROBLEMS = 100


@dataclass(frozen=True)
class ShownPicture:
    """An image of a group as the page shows it."""

    name: str
    place: str
    picture: str
    """A data URI."""
    is_small: bool
    """Whether the image has so few pixels that each of them is shown sharp."""


@dataclass(frozen=True)
class ShownGroup:
    """A group as the page shows it."""

    kind: str
    place: str
    has_several_classes: bool
    crosses_splits: bool
    pictures: tuple[ShownPicture, ...]
    images: int


def render_check(check: DataCheck, listing: Listing) -> str:
    """Return the page as HTML: one file that needs no internet connection.

    Raises:
        DataError: a file that the check could read has become unreadable.
    """
    with pillow_warnings_heard(), listening():
        groups = [_show(group, check, listing) for group in check.groups[:MOST_GROUPS]]
    return render_page(
        "check.html",
        package="resunit.data.check",
        figures={},
        check=check,
        sentences=describe_findings(check),
        groups=groups,
        classes=make_class_table(check),
        problems=[image.problem for image in check.unreadable[:MOST_PROBLEMS]],
        format_count=format_count,
    )


def _show(group: Group, check: DataCheck, listing: Listing) -> ShownGroup:
    # Both sides of a leak are shown, however many images of one split there are.
    first = [next(image for image in group.images if image.split == split) for split in group.splits]
    others = [image for image in group.images if image not in first]
    pictures = []
    for member in (*first, *others)[:MOST_PICTURES]:
        with listing.open(member.index) as image:
            split = "held out" if check.is_held_out and member.split == "test" else member.split
            place = f"{split}, {member.class_name}"
            pictures.append(ShownPicture(member.file, place, data_uri(image), max(image.size) <= 64))
    return ShownGroup(
        kind=KINDS[group.kind],
        place=describe_place(check, group),
        has_several_classes=len(group.classes) > 1,
        crosses_splits=group.crosses_splits,
        pictures=tuple(pictures),
        images=len(group.images),
    )
