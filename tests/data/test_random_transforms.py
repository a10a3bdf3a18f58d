"""RandAugment and random erasing are torchvision's, with a seed for each image."""

from pathlib import Path

import pytest
import torch
from torchvision.transforms import v2

from resunit.data import (
    Augmentation,
    Normalisation,
    StreamedSplit,
    epoch_plan,
    erase,
    images_for_training,
    stream,
)
from resunit.data import streaming as decoding
from resunit.data.random_transforms import SEED_BITS_OF_ERASING, apply_rand_augment
from tests.data.photographs import write_photographs

IMAGES = torch.randint(0, 256, (12, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SEEDS = torch.randint(0, 2**32, (12,), generator=torch.Generator().manual_seed(1))
STRONG = Augmentation(rand_augment=9, random_erasing=0.5)


def test_rand_augment_is_torchvisions() -> None:
    ours = apply_rand_augment(IMAGES, SEEDS, 12)
    for image, seed, transformed in zip(IMAGES, SEEDS.tolist(), ours, strict=True):
        torch.manual_seed(seed)
        assert torch.equal(transformed, v2.RandAugment(num_ops=2, magnitude=12)(image))
    assert (ours != IMAGES).flatten(1).any(1).sum() > 6


def test_erasing_is_torchvisions() -> None:
    images = torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(2)) + 9
    ours = erase(images, SEEDS, 0.5)
    for image, seed, erased in zip(images, SEEDS.tolist(), ours, strict=True):
        torch.manual_seed(seed ^ SEED_BITS_OF_ERASING)
        assert torch.equal(erased, v2.RandomErasing(p=0.5, value=0)(image))
    areas = (ours == 0).flatten(1).float().mean(1)
    assert 0 < (areas > 0).sum() < 12
    assert areas.max() < 0.4
    assert erase(images, SEEDS, 0.0) is images


def test_torchs_generator_stays_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    plan = epoch_plan(0, 0, 12, STRONG)
    images_for_training(IMAGES, torch.arange(12), plan, STRONG, Normalisation.fit(IMAGES, "channel"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("order", [torch.arange(12), torch.arange(11, -1, -1)])
def test_what_happens_to_an_image_does_not_depend_on_its_batch(order: torch.Tensor) -> None:
    plan, normalisation = epoch_plan(0, 4, 12, STRONG), Normalisation.fit(IMAGES, "channel")
    whole = images_for_training(IMAGES[order], order, plan, STRONG, normalisation)
    for place in range(12):
        one = order[place : place + 1]
        alone = images_for_training(IMAGES[one], one, plan, STRONG, normalisation)
        assert torch.equal(alone[0], whole[place])


def test_without_them_training_sees_what_it_always_saw() -> None:
    plan, normalisation = epoch_plan(0, 4, 12, Augmentation()), Normalisation.fit(IMAGES, "channel")
    strong = epoch_plan(0, 4, 12, STRONG)
    for name in ("order", "offsets", "flips", "seeds"):
        assert torch.equal(getattr(plan, name), getattr(strong, name))
    plain = images_for_training(IMAGES, torch.arange(12), plan, Augmentation(), normalisation)
    changed = images_for_training(IMAGES, torch.arange(12), plan, STRONG, normalisation)
    assert (plain != changed).flatten(1).any(1).sum() > 6


def test_images_are_drawn_with_replacement_and_each_draw_has_its_own_changes() -> None:
    chances = torch.ones(200)
    chances[:20] = 9.0  # The first 20 images have half of all chances.
    plans = [epoch_plan(0, epoch, 200, Augmentation(), chances) for epoch in (0, 0, 1)]
    drawn = [plan.drawn for plan in plans]
    assert drawn[0] is not None
    assert drawn[1] is not None
    assert drawn[2] is not None
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert 70 < int((drawn[0] < 20).sum()) < 130  # The mean is 100, and the standard deviation 7.
    twice = (drawn[0] == drawn[0].mode().values).nonzero().flatten()
    assert len(plans[0].offsets[twice].unique(dim=0)) > 1
    assert torch.equal(plans[0].images_at(twice), drawn[0][twice])
    assert torch.equal(epoch_plan(0, 0, 200, Augmentation()).order, plans[0].order)


def test_streamed_images_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = stream(str(write_photographs(tmp_path, train=4, val=1)), image_size=28).train
    plain = Augmentation(padding=0, crop="scale")
    augmented = Augmentation(padding=0, crop="scale", rand_augment=9)

    def images(split: StreamedSplit, augmentation: Augmentation, processes: int, size: int) -> torch.Tensor:
        monkeypatch.setattr(decoding, "_decoding_processes", lambda _feeds_gpu: processes)
        plan = epoch_plan(0, 1, len(split), augmentation)
        groups = ((plan, part) for part in torch.arange(len(split)).split(size))
        return torch.cat(list(split.augment(groups, augmentation)))

    one = images(train, augmented, 1, 5)
    assert torch.equal(one, images(train, augmented, 2, 7))
    assert (one != images(train, plain, 1, 5)).flatten(1).any(1).sum() > len(train) // 2
