"""What each step trains on is determined by (seed, epoch, index) alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from resunit.data import Augmentation, Normalisation, Split
from resunit.training.batches import Batches, GhostBatch
from resunit.training.distributed import Distributed
from resunit.training.operator_record import OperatorRecord
from resunit.training.recipes import named_recipe
from resunit.training.schedule import train_size

IMAGES = torch.randint(0, 256, (50, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
BATCHES = Batches(
    split=Split(IMAGES, torch.arange(50)),
    normalisation=Normalisation.fit(IMAGES, "channel"),
    augmentation=Augmentation(),
    seed=0,
    batch_size=16,
    ghost_batch_size=None,
    distributed=Distributed(0, 1, torch.device("cpu")),
)


def as_they_are(_step: int) -> int:
    return 32


def joined(ghost_batches: list[GhostBatch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch.images for batch in ghost_batches]), torch.cat(
        [batch.labels for batch in ghost_batches]
    )


def assert_same(one: list[GhostBatch], other: list[GhostBatch]) -> None:
    for a, b in zip(joined(one), joined(other), strict=True):
        assert torch.equal(a, b)


def test_ghost_batches_divide_a_batch_without_changing_it() -> None:
    whole = list(BATCHES.between(0, 7, as_they_are))
    grouped = list(replace(BATCHES, ghost_batch_size=4).between(0, 7, as_they_are))
    assert [len(groups) for groups in grouped] == [4] * 7
    for one, other in zip(whole, grouped, strict=True):
        assert_same(one, other)


def test_ranks_divide_a_batch_without_changing_it() -> None:
    cpu = torch.device("cpu")
    shares = [
        list(replace(BATCHES, distributed=Distributed(r, 2, cpu)).between(0, 4, as_they_are)) for r in (0, 1)
    ]
    for step, whole in enumerate(BATCHES.between(0, 4, as_they_are)):
        assert_same(whole, [*shares[0][step], *shares[1][step]])


@pytest.mark.parametrize("start", [1, 2, 3, 4, 6])
def test_starting_anywhere_gives_the_same_batches(start: int) -> None:
    straight = list(BATCHES.between(0, 8, as_they_are))
    resumed = list(BATCHES.between(start, 8, as_they_are))
    assert len(resumed) == 8 - start
    for one, other in zip(straight[start:], resumed, strict=True):
        assert_same(one, other)


def test_an_epoch_shows_no_image_twice() -> None:
    epoch = [joined(groups)[1] for groups in BATCHES.between(0, BATCHES.per_epoch, as_they_are)]
    assert len(torch.cat(epoch).unique()) == 48


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ghost_batch_size": 4},
        {"augmentation": Augmentation(padding=2, padding_mode="reflect", flip="alternating")},
        {"augmentation": Augmentation(padding=0, flip="none")},
        {"chances": torch.arange(1.0, 51.0)},
        {"distributed": Distributed(1, 2, torch.device("cpu"))},
    ],
)
def test_the_table_of_an_epoch_gives_the_images_that_the_plan_says(changes: dict[str, Any]) -> None:
    """The device looks them up in a copy of the plan, here also in the middle of an epoch and at its end."""
    batches = replace(BATCHES, **changes)
    by_plan = batches.made_by_host(2, 8, lambda step: 24 if step < 5 else 32)
    by_table = batches.between(2, 8, lambda step: 24 if step < 5 else 32)
    assert batches.work_of_host is None
    for one, other in zip(by_plan, by_table, strict=True):
        assert [len(batch.labels) for batch in one] == [len(batch.labels) for batch in other]
        assert_same(one, other)


def test_the_images_of_a_step_are_computed_where_they_lie() -> None:
    """On a device without numbers: nothing is copied to it or from it after the step was prepared."""
    meta = torch.device("meta")
    split, normalisation = BATCHES.split, BATCHES.normalisation
    batches = replace(
        BATCHES,
        split=split.to(meta),
        normalisation=normalisation.to(meta),
        distributed=Distributed(0, 1, meta),
    )
    feed = batches.feed(2, 4, lambda _step: 24)
    for step in (2, 3):
        feed.prepare(step)
        with OperatorRecord() as record:
            (batch,) = feed.ghost_batches()
        assert record.calls
        assert record.questions == []
        assert (batch.images.device, batch.labels.device) == (meta, meta)


def test_images_grow_when_the_recipe_says() -> None:
    recipe = replace(named_recipe("paper"), resize_scales=(0.5, 0.75), resize_ends=(0.25, 0.5))
    sides = [
        groups[0].images.shape[-1]
        for groups in BATCHES.between(0, 8, lambda step: train_size(recipe, step, 8, 32))
    ]
    assert sides == [16, 16, 24, 24, 32, 32, 32, 32]
