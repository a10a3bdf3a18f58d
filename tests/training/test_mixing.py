"""Mixup and CutMix against their formulas; what is mixed depends on the seed and the step alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from resunit.data import Augmentation, Normalisation, Split
from resunit.training.batches import Batches, GhostBatch
from resunit.training.distributed import Distributed
from resunit.training.mixing import ImageMixing

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (50, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BATCHES = Batches(
    split=Split(IMAGES, torch.arange(50) % 5),
    normalisation=Normalisation.fit(IMAGES, "channel"),
    augmentation=Augmentation(rand_augment=5, random_erasing=0.3),
    seed=0,
    batch_size=16,
    ghost_batch_size=4,
    distributed=Distributed(0, 1, CPU),
    mixing=ImageMixing(mixup=0.4, cutmix=1.0, classes=5, seed=0),
    chances=torch.ones(50),
)


def batches(start: int = 0, stop: int = 6, **changes: Any) -> list[list[GhostBatch]]:
    return list(replace(BATCHES, **changes).between(start, stop, lambda _step: 16))


def assert_same(one: list[GhostBatch], other: list[GhostBatch]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.targets, theirs.targets)


def shares_of(labels: torch.Tensor, share: float) -> torch.Tensor:
    own, other = (torch.nn.functional.one_hot(x, 5).float() for x in (labels, labels.roll(1)))
    return share * own + (1 - share) * other


def test_mixup_blends_each_image_with_the_one_before_it() -> None:
    for plain, mixed in zip(
        batches(mixing=None), batches(mixing=ImageMixing(0.4, 0.0, classes=5, seed=0)), strict=True
    ):
        for one, both in zip(plain, mixed, strict=True):
            neighbours = one.images.roll(1, 0)
            share = ((both.images - neighbours) * (one.images - neighbours)).sum() / (
                (one.images - neighbours) ** 2
            ).sum()
            assert 0 <= share <= 1
            torch.testing.assert_close(both.images, share * one.images + (1 - share) * neighbours)
            torch.testing.assert_close(both.targets, shares_of(one.labels, share.item()))
            assert torch.equal(both.labels, both.targets.argmax(1))


def test_cutmix_takes_a_rectangle_and_its_share_of_the_label() -> None:
    rectangles = 0
    for plain, mixed in zip(
        batches(mixing=None), batches(mixing=ImageMixing(0.0, 1.0, classes=5, seed=0)), strict=True
    ):
        for one, both in zip(plain, mixed, strict=True):
            is_own = (both.images == one.images).all(1)
            assert (is_own | (both.images == one.images.roll(1, 0)).all(1)).all()
            changed = (~is_own).any(0)  # the rectangle, where the two images differ
            rows, columns = changed.any(1), changed.any(0)
            covered = int(rows.sum() * columns.sum()) / 16**2
            torch.testing.assert_close(both.targets, shares_of(one.labels, 1 - covered))
            rectangles += 0 < covered < 1
    assert rectangles > 8


def test_both_take_turns_and_the_layout_stays() -> None:
    mixing = BATCHES.mixing
    assert mixing is not None
    images = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    labels, kinds = torch.arange(8) % 5, set()
    for step in range(30):
        mixed, shares = mixing(images, labels, step)
        assert mixed.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(shares.sum(1), torch.ones(8))
        kinds.add(bool((mixed == images).any()))
    assert kinds == {True, False}, "CutMix leaves pixels as they are, and mixup does not"


@pytest.mark.parametrize("start", [1, 3, 5])
def test_starting_anywhere_gives_the_same_batches(start: int) -> None:
    for one, other in zip(batches()[start:], batches(start), strict=True):
        assert_same(one, other)


def test_ranks_divide_a_batch_without_changing_it() -> None:
    shares = [batches(distributed=Distributed(rank, 2, CPU)) for rank in (0, 1)]
    for whole, first, second in zip(batches(), *shares, strict=True):
        assert_same(whole, [*first, *second])


def test_torchs_generator_stays_as_it_was() -> None:
    before = torch.get_rng_state()
    batches()
    assert torch.equal(torch.get_rng_state(), before)
