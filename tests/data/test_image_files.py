"""Decoding image files as a person would see them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resunit.data import read_images
from resunit.errors import DataError


@pytest.fixture
def photo() -> Image.Image:
    """48 x 32: red on the left third, green in the middle, blue on the right."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    for third in range(3):
        pixels[:, 16 * third : 16 * (third + 1), third] = 255
    return Image.fromarray(pixels)


def test_an_image_of_the_size_is_kept_exactly(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    images = read_images([tmp_path / "a.png", str(tmp_path / "a.png")], 32)
    assert images.dtype == torch.uint8
    assert (images[1].numpy() == pixels.transpose(2, 0, 1)).all()


def test_the_centre_is_kept(photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "wide.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "tall.png")
    wide, tall = read_images([tmp_path / "wide.png", tmp_path / "tall.png"], 32)
    assert torch.equal(wide[:, :, 8:24].amax((1, 2)), torch.tensor([0, 255, 0], dtype=torch.uint8))
    assert wide[0, :, :8].min() == 255
    assert wide[2, :, 24:].min() == 255
    assert torch.equal(tall, wide.rot90(1, (1, 2)))


def test_a_large_image_is_averaged_not_sampled(tmp_path: Path) -> None:
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    small = read_images([tmp_path / "stripes.png"], 32)[0].float()
    assert (small[:, 2:-2, 2:-2] - 127.5).abs().max() < 8


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str, photo: Image.Image, tmp_path: Path) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    photo.convert("L").convert("RGB").convert(mode).save(tmp_path / f"a.{suffix}")
    assert read_images([tmp_path / f"a.{suffix}"], 16).shape == (1, 3, 16, 16)


def test_a_photograph_taken_sideways_is_turned_upright(photo: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    photo.save(tmp_path / "turned.png", exif=exif)
    photo.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    turned, upright = read_images([tmp_path / "turned.png", tmp_path / "upright.png"], 32)
    assert torch.equal(turned, upright)


def test_a_large_jpeg_is_what_it_was(photo: Image.Image, tmp_path: Path) -> None:
    photo.resize((1536, 1024), Image.Resampling.NEAREST).save(tmp_path / "large.jpg", quality=95)
    photo.save(tmp_path / "small.png")
    large, small = read_images([tmp_path / "large.jpg", tmp_path / "small.png"], 32)
    assert (large.float() - small.float()).abs().mean() < 8


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    for name in ("a.png", "absent.png", "folder.png"):
        with pytest.raises(DataError, match=name):
            read_images([tmp_path / name], 32)
