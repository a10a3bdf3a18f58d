"""The picture of augmentation shows what training would see."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resunit.data import Augmentation, Normalisation, load, show
from resunit.errors import DataError


def test_the_originals_are_in_the_picture(tmp_path: Path) -> None:
    sample = load("cifar10-sample")
    normalisation = Normalisation.fit(sample.train.images, "channel")
    show(sample, Augmentation(), normalisation, tmp_path / "shown.png")
    picture = np.asarray(Image.open(tmp_path / "shown.png"))
    frog = sample.train.images[int((sample.train.labels == 6).nonzero()[0])]
    tripled = frog.repeat_interleave(3, 1).repeat_interleave(3, 2).permute(1, 2, 0).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(picture[:, :, 0], (96, 96))
    found = (windows[:, :, 0, 0] == tripled[0, 0, 0]) & (windows[:, :, 95, 95] == tripled[95, 95, 0])
    matches = [place for place in np.argwhere(found) if (windows[tuple(place)] == tripled[:, :, 0]).all()]
    assert matches
    assert picture.shape[0] > 10 * 96
    assert picture.shape[1] > 9 * 96


def test_the_seed_decides(tmp_path: Path) -> None:
    sample = load("cifar10-sample")
    normalisation = Normalisation.fit(sample.train.images, "pixel")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        show(sample, Augmentation(), normalisation, tmp_path / f"{name}.png", seed=seed)
    first, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == same
    assert first != other


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    sample = load("cifar10-sample")
    normalisation = Normalisation.fit(sample.train.images, "channel")
    with pytest.raises(DataError, match=r"absent/shown\.png"):
        show(sample, Augmentation(), normalisation, tmp_path / "absent" / "shown.png")


def test_changes_of_single_images_are_in_the_picture(tmp_path: Path) -> None:
    sample = load("cifar10-sample")
    normalisation = Normalisation.fit(sample.train.images, "channel")
    pictures = []
    for augmentation in (
        Augmentation(),
        Augmentation(rand_augment=9),
        Augmentation(random_erasing=1.0),
    ):
        show(sample, augmentation, normalisation, tmp_path / "shown.png")
        pictures.append((tmp_path / "shown.png").read_bytes())
    assert len(set(pictures)) == 3
