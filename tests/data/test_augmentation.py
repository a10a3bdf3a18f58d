"""Every outcome of augmentation, against the obvious slice; every plan, from (seed, epoch) alone."""

import itertools
from typing import Literal, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from resunit.data import Augmentation, augment, epoch_plan

PaddingMode = Literal["zeros", "reflect"]
Flip = Literal["random", "alternating", "none"]


def obvious(image: torch.Tensor, down: int, right: int, flip: bool, padding: int, mode: str) -> torch.Tensor:
    """Pad, slice, mirror: one (3, H, W) image at a time."""
    _, height, width = image.shape
    padded = functional.pad(image[None], (padding,) * 4, mode="constant" if mode == "zeros" else mode)[0]
    cropped = padded[:, down : down + height, right : right + width]
    return cropped.flip(-1) if flip else cropped


@pytest.mark.parametrize("mode", get_args(PaddingMode))
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_every_outcome_is_the_obvious_slice(padding: int, mode: PaddingMode) -> None:
    positions = range(2 * padding + 1)
    outcomes = list(itertools.product(positions, positions, [False, True]))
    images = torch.randn(len(outcomes), 3, 8, 8, generator=torch.Generator().manual_seed(0))
    offsets = torch.tensor([outcome[:2] for outcome in outcomes])
    flips = torch.tensor([outcome[2] for outcome in outcomes])
    augmented = augment(images, offsets, flips, Augmentation(padding, mode))
    assert augmented.is_contiguous(memory_format=torch.channels_last)
    for image, outcome, result in zip(images, outcomes, augmented, strict=True):
        assert torch.equal(result, obvious(image, *outcome, padding, mode))


@given(
    batch=st.integers(1, 5),
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    padding=st.integers(0, 3),
    mode=st.sampled_from(get_args(PaddingMode)),
    flip=st.sampled_from(get_args(Flip)),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_any_batch_is_the_obvious_slices(
    batch: int,
    height: int,
    width: int,
    padding: int,
    mode: PaddingMode,
    flip: Flip,
    channels_last: bool,
    seed: int,
) -> None:
    augmentation = Augmentation(padding, mode, flip)
    images = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    plan = epoch_plan(seed, 0, batch, augmentation)
    augmented = augment(images, plan.offsets, plan.flips, augmentation)
    for index, image in enumerate(images):
        down, right = plan.offsets[index].tolist()
        expected = obvious(image, down, right, bool(plan.flips[index]), padding, mode)
        assert torch.equal(augmented[index], expected)


def test_an_image_fares_the_same_in_any_batch() -> None:
    augmentation = Augmentation()
    plan = epoch_plan(3, 5, 48, augmentation)
    images = torch.randn(48, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = augment(images, plan.offsets, plan.flips, augmentation)
    for size in (1, 7, 16):
        for part in plan.order.split(size):
            small = augment(images[part], plan.offsets[part], plan.flips[part], augmentation)
            assert torch.equal(small, whole[part])


def test_the_input_is_left_alone() -> None:
    images = torch.randn(4, 3, 8, 8)
    before = images.clone()
    for augmentation in (Augmentation(), Augmentation(0), Augmentation(0, flip="none")):
        augment(images, torch.zeros(4, 2, dtype=torch.int64), torch.ones(4, dtype=torch.bool), augmentation)
        assert torch.equal(images, before)


def test_a_plan_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    def plan(seed: int, epoch: int) -> torch.Tensor:
        torch.manual_seed(seed * 31 + epoch)  # the global generator must not matter
        drawn = epoch_plan(seed, epoch, 100, Augmentation())
        return torch.cat([drawn.order, drawn.offsets.flatten(), drawn.flips.long()])

    assert torch.equal(plan(1, 2), plan(1, 2))
    different = {tuple(plan(seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(different) == 25


def test_a_large_seed_is_not_a_small_one() -> None:
    plans = [epoch_plan(seed, 0, 100, Augmentation()).order for seed in (1, 1 + 2**32)]
    assert not torch.equal(*plans)


def test_an_epoch_visits_every_image_once_with_every_offset_possible() -> None:
    plan = epoch_plan(0, 0, 20_000, Augmentation(padding=4))
    assert plan.order.sort().values.equal(torch.arange(20_000))
    cells = torch.bincount(plan.offsets[:, 0] * 9 + plan.offsets[:, 1], minlength=81)
    assert cells.min() > 170  # 247 are expected, give or take 16
    assert cells.max() < 330
    assert abs(plan.flips.float().mean() - 0.5) < 0.02


def test_how_images_are_mirrored_does_not_change_their_order() -> None:
    plans = [epoch_plan(0, 3, 50, Augmentation(flip=flip)) for flip in get_args(Flip)]
    assert all(torch.equal(plan.order, plans[0].order) for plan in plans)
    assert all(torch.equal(plan.offsets, plans[0].offsets) for plan in plans)
    assert not plans[2].flips.any()


def test_alternating_flips_show_both_sides_in_any_two_epochs() -> None:
    flips = [epoch_plan(7, epoch, 1000, Augmentation(flip="alternating")).flips for epoch in range(6)]
    assert 400 < flips[0].sum() < 600
    for epoch in range(5):
        assert torch.equal(flips[epoch], ~flips[epoch + 1])
    other = epoch_plan(8, 0, 1000, Augmentation(flip="alternating")).flips
    assert not torch.equal(flips[0], other)
