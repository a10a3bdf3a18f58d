"""Holding out and checksums."""

from dataclasses import replace

import pytest
import torch

from resunit.data import Dataset, Split
from resunit.data.dataset import content_checksum
from resunit.errors import UsageError

CLASSES = ("a", "b", "c")


def dataset(counts: tuple[int, ...]) -> Dataset[Split]:
    """Image i is filled with i, so that images can be told apart."""
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    images = (
        torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2).contiguous()
    )
    test = Split(torch.full((4, 3, 2, 2), 255, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    train = Split(images, labels)
    return Dataset("toy", CLASSES, train, test, content_checksum(CLASSES, train, test), "a test")


def identities(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("images", [1, 7, 30, 59])
def test_held_out_images_are_training_images_and_no_others(images: int) -> None:
    whole = dataset((20, 20, 20))
    held = whole.hold_out(images)
    assert len(held.test) == images
    assert sorted(identities(held.train) + identities(held.test)) == list(range(60))
    assert torch.equal(held.test.labels, whole.train.labels[identities(held.test)])
    assert torch.equal(held.train.labels, whole.train.labels[identities(held.train)])
    assert held.split_name == "validation"
    assert whole.split_name == "test"


def test_every_class_gives_the_same_share() -> None:
    assert torch.bincount(dataset((20, 20, 20)).hold_out(15).test.labels).tolist() == [5, 5, 5]
    assert sorted(torch.bincount(dataset((20, 20, 20)).hold_out(16).test.labels).tolist()) == [5, 5, 6]
    assert torch.bincount(dataset((40, 20, 10)).hold_out(7).test.labels).tolist() == [4, 2, 1]


def test_the_seed_decides_and_nothing_else() -> None:
    whole = dataset((20, 20, 20))
    assert identities(whole.hold_out(10).test) == identities(whole.hold_out(10, seed=0).test)
    assert identities(whole.hold_out(10).test) != identities(whole.hold_out(10, seed=1).test)


@pytest.mark.parametrize("images", [-1, 0, 60, 61])
def test_a_hold_out_that_leaves_nothing_is_refused(images: int) -> None:
    with pytest.raises(UsageError, match=f"{images} .*60 .*toy"):
        dataset((20, 20, 20)).hold_out(images)


def test_the_checksum_sees_images_labels_names_and_splits() -> None:
    whole = dataset((20, 20, 20))
    brighter = whole.train.images.clone()
    brighter[3, 2, 1, 0] += 1
    others = [
        content_checksum(("a", "b", "d"), whole.train, whole.test),
        content_checksum(CLASSES, Split(brighter, whole.train.labels), whole.test),
        content_checksum(CLASSES, replace(whole.train, labels=whole.train.labels.flip(0)), whole.test),
        content_checksum(CLASSES, whole.test, whole.train),
        whole.hold_out(10).checksum,
        whole.hold_out(11).checksum,
    ]
    assert len({whole.checksum, *others}) == 7
    assert whole.checksum == content_checksum(CLASSES, whole.train, whole.test)
