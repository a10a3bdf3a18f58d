"""Folders of images: which are trained on, which are evaluated on, and which are refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resunit.data import load
from resunit.errors import DataError, UsageError


def write_image(path: Path, value: int, size: tuple[int, int] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


def write_classes(folder: Path, classes: str = "ab", images: int = 50, suffix: str = "png") -> None:
    """Image i of class c is of the one colour 100 c + i, so that images can be told apart."""
    for label, name in enumerate(classes):
        for index in range(images):
            write_image(folder / name / f"{index}.{suffix}", 100 * label + index)


def colours(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_train_and_val_are_what_they_say(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", images=3)
    write_classes(tmp_path / "val", images=2)
    dataset = load(str(tmp_path))
    assert dataset.classes == ("a", "b")
    assert dataset.name == str(tmp_path)
    assert colours(dataset.train.images) == [0, 1, 2, 100, 101, 102]
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert colours(dataset.test.images) == [0, 1, 100, 101]
    assert dataset.split_name == "validation"


def test_the_folder_test_is_evaluated_on_where_there_is_no_val(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", images=3)
    write_classes(tmp_path / "test", images=1)
    dataset = load(str(tmp_path))
    assert (len(dataset.train), len(dataset.test), dataset.split_name) == (6, 2, "test")


@pytest.mark.parametrize("inner", ["", "train"])
def test_else_a_tenth_is_held_out(inner: str, tmp_path: Path) -> None:
    write_classes(tmp_path / inner)
    dataset = load(str(tmp_path))
    everything = colours(dataset.train.images) + colours(dataset.test.images)
    assert sorted(everything) == [*range(50), *range(100, 150)]
    assert 4 <= len(dataset.test) <= 20
    assert set(dataset.test.labels.tolist()) == {0, 1}


def test_what_is_held_out_depends_on_the_paths_alone(tmp_path: Path) -> None:
    write_classes(tmp_path / "here")
    write_classes(tmp_path / "there")
    here, there = load(str(tmp_path / "here")), load(str(tmp_path / "there"))
    assert here.checksum == there.checksum
    (tmp_path / "there" / "a" / f"{colours(there.train.images)[0]}.png").unlink()
    assert colours(load(str(tmp_path / "there")).test.images) == colours(here.test.images)


def test_a_class_of_one_image_is_trained_on_and_of_two_also_evaluated_on(tmp_path: Path) -> None:
    write_classes(tmp_path, "a", images=1)
    for name in "bcdefgh":
        write_classes(tmp_path, name, images=2)
    dataset = load(str(tmp_path))
    assert dataset.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert dataset.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(("side", "size"), [(20, 32), (64, 32), (65, 224), (300, 224)])
def test_the_size_follows_the_images(side: int, size: int, tmp_path: Path) -> None:
    for name in "ab":
        for index in range(2):
            write_image(tmp_path / name / f"{index}.png", index, (side, 2 * side))
    assert load(str(tmp_path)).train.images.shape[2:] == (size, size)
    assert load(str(tmp_path), image_size=48).train.images.shape[2:] == (48, 48)


def test_nested_images_count_and_other_files_do_not(tmp_path: Path) -> None:
    write_classes(tmp_path, images=2)
    write_image(tmp_path / "a" / "deeper" / "more.JPG", 50)
    write_image(tmp_path / ".hidden" / "x.png", 50)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "empty").mkdir()
    dataset = load(str(tmp_path))
    assert dataset.classes == ("a", "b")
    assert len(dataset.train) + len(dataset.test) == 5


def test_a_folder_without_classes_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}: .*FOLDER/<class>/<image>"):
        load(str(tmp_path))
    write_image(tmp_path / "loose.png", 0)
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}: .*FOLDER/<class>/<image>"):
        load(str(tmp_path))
    with pytest.raises(DataError, match=r"loose\.png: .*FOLDER/<class>/<image>"):
        load(str(tmp_path / "loose.png"))


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    write_classes(tmp_path, "a", images=2)
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path))}: .*'a'"):
        load(str(tmp_path))


def test_other_classes_to_evaluate_on_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", "ab", images=1)
    write_classes(tmp_path / "val", "ac", images=1)
    with pytest.raises(DataError, match=r"val: .*'c'"):
        load(str(tmp_path))


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, images=8, suffix="jpg")
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    victim = tmp_path / "b" / "5.jpg"
    Image.fromarray(noise).save(victim)
    victim.write_bytes(victim.read_bytes()[:-400])
    with pytest.raises(DataError, match=r"b/5\.jpg: "):
        load(str(tmp_path))
    victim.write_bytes(b"")
    with pytest.raises(DataError, match=r"b/5\.jpg: "):
        load(str(tmp_path))


def test_more_than_the_memory_is_refused_with_the_need(tmp_path: Path) -> None:
    write_classes(tmp_path, images=5)
    with pytest.raises(DataError, match=r"10 images of 1000000 x 1000000 .* 27939\.7 GiB .* image_size"):
        load(str(tmp_path), image_size=1_000_000)


def test_no_size_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, images=2)
    with pytest.raises(UsageError, match=r"image_size .*0"):
        load(str(tmp_path), image_size=0)
