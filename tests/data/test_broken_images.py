"""Images that no decoder reads: named in one line, or skipped and listed, whatever the decoder raises."""

import os
import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resunit.data import load, read_images, stream
from resunit.errors import DataError
from tests.data.test_folders import colours, write_classes
from tests.data.test_stores import as_a_common_user

ENDINGS = (
    "png",
    "jpg",
    "gif",
    "webp",
    "tif",
    "bmp",
    "avif",
    "jp2",
    "ico",
    "tga",
    "pcx",
    "ppm",
    "sgi",
    "dds",
    "qoi",
)


def mutations(content: bytes, count: int, seed: int) -> list[bytes]:
    """Contents with some bytes changed, most of them near the beginning, some cut off."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(draw.choice((1, 2, 8))):
            reach = draw.choice((64, len(changed)))
            changed[draw.randrange(min(reach, len(changed)))] = draw.randrange(256)
        found.append(bytes(changed[: draw.choice((len(changed), draw.randrange(len(changed))))]))
    return found


def problem_of(file: Path) -> str | None:
    try:
        read_images([file], 16)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize("ending", ENDINGS)
def test_mutated_images_are_read_or_named(ending: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    file = tmp_path / f"image.{ending}"
    Image.fromarray(noise).save(file)
    for content in mutations(file.read_bytes(), 40, seed=len(ending)):
        file.write_bytes(content)
        message = problem_of(file)
        assert message is None or message.startswith(f"{file}: ")
        assert "\n" not in (message or "")


def test_another_format_within_an_ending_is_named(tmp_path: Path) -> None:
    """A DDS of a kind that Pillow has not, and a program for a printer, which is not run."""
    for name, content in {
        "dds.png": b"DDS " + (124).to_bytes(4, "little") + b"\0" * 120,
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_images([tmp_path / name], 16)


def test_too_many_pixels_are_named(tmp_path: Path) -> None:
    """Pillow refuses more than twice 89 megapixels, which a small file can claim to have."""
    Image.new("1", (14_000, 13_000)).save(tmp_path / "big.png")
    with pytest.raises(DataError, match=r"big\.png: has too many pixels .*182,?000,?000.*; scale it down"):
        read_images([tmp_path / "big.png"], 32)


def test_an_image_that_may_not_be_read_is_to_be_made_readable() -> None:
    with tempfile.TemporaryDirectory() as place:  # Every user may look into it, unlike pytest's own.
        os.chmod(place, 0o755)
        path = Path(place) / "0.png"
        Image.new("RGB", (4, 4)).save(path)
        path.chmod(0)

        def read() -> None:
            with pytest.raises(
                DataError, match=r"0\.png: cannot be read \(Permission denied\); make it readable"
            ):
                read_images([path], 4)

        assert as_a_common_user(read) == 0


def break_images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"not an image")


def test_the_first_broken_image_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, images=80)
    break_images(tmp_path, "a/44.png", "b/7.png", "a/5.png")
    with pytest.raises(DataError, match=r"a/44\.png: "):  # Names are in the order of their letters.
        load(str(tmp_path))


def test_broken_images_are_skipped_and_listed(tmp_path: Path) -> None:
    write_classes(tmp_path)
    whole = load(str(tmp_path))
    held, kept = colours(whole.test.images), colours(whole.train.images)
    victims = [f"{'ab'[colour // 100]}/{colour % 100}.png" for colour in (held[0], kept[0], kept[-1])]
    break_images(tmp_path, *victims)
    dataset = load(str(tmp_path), skip_broken=3)
    assert colours(dataset.test.images) == held[1:]
    assert colours(dataset.train.images) == kept[1:-1]
    assert dataset.train.labels.tolist() == whole.train.labels.tolist()[1:-1]
    assert len(dataset.notes) == 3
    assert all(any(str(tmp_path / victim) in note for note in dataset.notes) for victim in victims)
    streamed = stream(str(tmp_path), skip_broken=3)
    assert (len(streamed.train), len(streamed.test)) == (len(dataset.train), len(dataset.test))
    assert len(streamed.notes) == 3
    for read in (load, stream):
        with pytest.raises(DataError, match=rf"{victims[0]}|{victims[1]}"):
            read(str(tmp_path), skip_broken=2)


def test_a_class_that_is_wholly_broken_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, images=2)
    break_images(tmp_path, "b/0.png", "b/1.png")
    with pytest.raises(DataError, match="'b'"):
        load(str(tmp_path), skip_broken=5)
