"""Images that stay on disk: the same as those in memory, but for the memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resunit.data import Augmentation, Dataset, EpochPlan, StreamedSplit, epoch_plan, load, stream
from resunit.errors import DataError, UsageError
from tests.data.photographs import CLASSES, write_photographs

SCALE = Augmentation(padding=0, crop="scale", colour=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs") / "photos")


@pytest.fixture(scope="module")
def streamed(folder: Path) -> Dataset[StreamedSplit]:
    return stream(str(folder), image_size=28)


def in_groups(split: StreamedSplit, plan: EpochPlan, size: int) -> torch.Tensor:
    """Every image as training sees it, by its index, though decoded in the plan's order."""
    groups = list(plan.order.split(size))
    images = torch.cat(list(split.augment(((plan, group) for group in groups), SCALE)))
    return images[torch.cat(groups).argsort()]


def test_it_has_the_images_that_memory_would_hold(folder: Path, streamed: Dataset[StreamedSplit]) -> None:
    whole = load(str(folder), image_size=32)
    assert streamed.classes == whole.classes == CLASSES
    assert streamed.split_name == "validation"
    assert torch.equal(streamed.train.labels, whole.train.labels)
    assert (streamed.train.side, streamed.train.shorter_side, streamed.train.large_side) == (28, 32, 40)
    pictures = torch.cat(list(streamed.train.pictures(torch.arange(len(streamed.train)))))
    assert torch.equal(pictures, whole.train.images[..., 2:30, 2:30])


def test_any_beginning_of_what_is_evaluated_on_is_spread_over_the_classes(
    streamed: Dataset[StreamedSplit],
) -> None:
    assert streamed.test[:6].labels.sort().values.tolist() == [0, 1, 2, 3, 4, 5]
    for file, label in zip(streamed.test.files, streamed.test.labels.tolist(), strict=True):
        assert os.fsdecode(file).split("/")[-2] == CLASSES[label]


def test_what_happens_to_an_image_depends_on_seed_epoch_and_index_alone(
    streamed: Dataset[StreamedSplit],
) -> None:
    train = streamed.train
    first, again, next_epoch, other_seed = (
        epoch_plan(seed, epoch, len(train), SCALE) for seed, epoch in ((0, 3), (0, 3), (0, 4), (1, 3))
    )
    images = in_groups(train, first, 7)
    assert images.shape == (30, 3, 28, 28)
    assert torch.equal(images, in_groups(train, again, 30))
    for plan in (next_epoch, other_seed):
        changed = (in_groups(train, plan, 7) != images).flatten(1).any(1)
        assert changed.all()
    assert (images[0] != images[1]).any()


def test_mirror_images_are_those_of_the_plan(streamed: Dataset[StreamedSplit]) -> None:
    plan = epoch_plan(0, 0, len(streamed.train), SCALE)
    assert plan.flips.any()
    unmirrored = EpochPlan(plan.order, plan.offsets, torch.zeros_like(plan.flips), plan.seeds)
    images, expected = (in_groups(streamed.train, p, 10) for p in (plan, unmirrored))
    expected[plan.flips] = expected[plan.flips].flip(-1)
    assert torch.equal(images, expected)


def test_memory_sets_no_limit(folder: Path) -> None:
    with pytest.raises(DataError, match=r"GiB .*image_size"):
        load(str(folder), image_size=1_000_000)
    assert len(stream(str(folder), image_size=1_000_000).train) == 30


def test_the_checksum_is_of_names_and_sizes(tmp_path: Path) -> None:
    here, there = (write_photographs(tmp_path / name, train=1, val=1) for name in ("here", "there"))
    assert stream(str(here)).checksum == stream(str(there)).checksum
    (there / "train" / "ant" / "0.jpg").rename(there / "train" / "ant" / "1.jpg")
    renamed = stream(str(there)).checksum
    with (there / "train" / "ant" / "1.jpg").open("ab") as file:
        file.write(b"\0")
    assert len({stream(str(here)).checksum, renamed, stream(str(there)).checksum}) == 3


def test_images_can_be_held_out(streamed: Dataset[StreamedSplit]) -> None:
    held = streamed.hold_out(6)
    assert (len(held.train), len(held.test)) == (24, 6)
    assert set(held.test.files) | set(held.train.files) == set(streamed.train.files)
    assert held.checksum != streamed.checksum


@pytest.mark.parametrize("name", ["photos", "DataError: photos"])
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    folder = write_photographs(tmp_path / name, train=2, val=1)
    victim = folder / "val" / "cat" / "0.jpg"
    victim.write_bytes(victim.read_bytes()[:-400])
    test = stream(str(folder), image_size=28).test
    with pytest.raises(DataError) as caught:
        list(test.pictures(torch.arange(len(test))))
    assert str(caught.value).startswith(f"{victim}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"), [("cifar10", "cifar10 .*32 x 32"), ("imagenet", "'imagenet'; .*--data FOLDER")]
)
def test_what_is_no_folder_says_what_is_needed(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        stream(name)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = write_photographs(tmp_path / "photos", train=2, val=1)
    (folder / "val" / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"val/cat/gone\.jpg"):
        stream(str(folder), image_size=28)


UNGUARDED = """
import multiprocessing, sys
multiprocessing.set_start_method("forkserver")  # what Python 3.14 does by itself
import resunit, torch
train = resunit.data.stream(sys.argv[1], image_size=14).train
print(sum(len(part) for part in train.pictures(torch.arange(3))))
"""


@pytest.mark.full
def test_a_program_without_a_main_guard_streams_under_any_start_method(tmp_path: Path) -> None:
    photos = write_photographs(tmp_path / "photos", train=2)
    (tmp_path / "program.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", photos], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
