"""Which changes of an image leave it the same, which leave it alike, and which make another image of it."""

import io
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from resunit.data.check.fingerprint import Fingerprint, take_fingerprint
from resunit.data.check.near_pairs import find_near_pairs
from tests.data.check.generated import make_picture

SEEDS = range(30)
Change = Callable[[Image.Image], Image.Image]


def encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(buffer).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(factor * image.width), round(factor * image.height)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, share: float) -> Image.Image:
    dx, dy = share * image.width, share * image.height
    return image.crop((round(dx), round(dy), round(image.width - dx), round(image.height - dy)))


def are_alike(one: Fingerprint, other: Fingerprint) -> bool:
    hashes = np.array([one.difference_hash, other.difference_hash], dtype=np.uint64)
    return list(find_near_pairs(hashes, np.stack([one.colours, other.colours]))) == [(0, 1)]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_another_encoding_without_loss_has_the_same_pixels(kind: str) -> None:
    image = make_picture(0)
    assert take_fingerprint(encoded(image, kind)).pixels == take_fingerprint(image).pixels


def test_the_shape_belongs_to_the_pixels() -> None:
    wide, tall = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (10, 20), "red")
    assert take_fingerprint(wide).pixels != take_fingerprint(tall).pixels


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encoded(image, "JPEG", quality=75),
        lambda image: encoded(image, "JPEG", quality=40),
        lambda image: encoded(image, "WEBP", quality=70),
        lambda image: scaled(image, 2),
        lambda image: scaled(image, 0.5),
        lambda image: encoded(scaled(image, 0.7), "JPEG", quality=75),
        lambda image: cropped(image, 0.01),
        lambda image: ImageEnhance.Brightness(image).enhance(1.05),
    ],
    ids=["jpeg", "poor jpeg", "webp", "doubled", "halved", "smaller jpeg", "cropped by 1 %", "brighter"],
)
def test_a_copy_is_alike_and_not_the_same(change: Change) -> None:
    for seed in SEEDS:
        one, other = take_fingerprint(make_picture(seed)), take_fingerprint(change(make_picture(seed)))
        assert one.pixels != other.pixels
        assert are_alike(one, other), seed


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.mirror,
        ImageOps.flip,
        ImageOps.invert,
        lambda image: image.rotate(180),
        lambda image: cropped(image, 0.25),
    ],
    ids=["mirrored", "flipped", "negative", "turned", "half of it"],
)
def test_another_view_is_not_alike(change: Change) -> None:
    for seed in SEEDS:
        one, other = take_fingerprint(make_picture(seed)), take_fingerprint(change(make_picture(seed)))
        assert not are_alike(one, other), seed


def test_different_pictures_and_flat_ones_of_different_colours_are_not_alike() -> None:
    pictures = [make_picture(seed) for seed in SEEDS]
    pictures += [Image.new("RGB", (50, 40), colour) for colour in ("white", "black", "red", "navy")]
    prints = [take_fingerprint(picture) for picture in pictures]
    assert len({found.pixels for found in prints}) == len(prints)
    hashes = np.array([found.difference_hash for found in prints], dtype=np.uint64)
    assert list(find_near_pairs(hashes, np.stack([found.colours for found in prints]))) == []
    assert {found.difference_hash for found in prints[-4:]} == {0}


def test_noise_on_a_flat_image_changes_no_bit() -> None:
    image = Image.new("RGB", (200, 160), (200, 200, 200))
    assert take_fingerprint(encoded(image, "JPEG", quality=30)).difference_hash == 0


@pytest.mark.parametrize("pairs_at_once", [1 << 20, 7])
def test_near_pairs_are_those_that_a_comparison_of_all_finds(
    monkeypatch: pytest.MonkeyPatch, pairs_at_once: int
) -> None:
    monkeypatch.setattr("resunit.data.check.near_pairs.PAIRS_AT_ONCE", pairs_at_once * 256)
    random = np.random.default_rng(0)
    hashes = random.integers(0, 1 << 63, 60, dtype=np.uint64)
    for base in range(20):  # Copies that differ in 0 to 10 bits.
        for bits in range(11):
            flipped = sum(1 << int(bit) for bit in random.choice(64, bits, replace=False))
            hashes = np.append(hashes, hashes[base] ^ np.uint64(flipped))
    colours = np.repeat(random.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8), len(hashes), axis=0)
    colours[::3] = 255 - colours[::3]
    expected = {
        (one, other)
        for one, other in combinations(range(len(hashes)), 2)
        if (int(hashes[one]) ^ int(hashes[other])).bit_count() <= 7
        and np.sqrt(((colours[one].astype(float) - colours[other]) ** 2).mean()) <= 12
    }
    found = list(find_near_pairs(hashes, colours))
    assert set(found) == expected
    assert len(found) == len(expected) > 100
