"""Pixels as a person would see them: transparent ones on white, deep ones in 8 bits, all of them upright."""

import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resunit.data import load, read_images
from resunit.data.remarks import listening, pillow_warnings_heard
from tests.data.test_folders import write_classes


def corners(path: Path) -> list[list[int]]:
    """The colours of an image's corners: upper left, upper right, lower left, lower right."""
    image = read_images([path], 32)[0]
    return [image[:, y, x].tolist() for y in (0, -1) for x in (0, -1)]


def black_square_on_nothing(mode: str) -> Image.Image:
    """The upper left quarter is black and opaque, and the rest is black and transparent."""
    alpha = np.zeros((32, 32), np.uint8)
    alpha[:16, :16] = 255
    grey_alpha = np.stack([np.zeros_like(alpha), alpha], axis=2)
    image = Image.fromarray(grey_alpha, "LA")
    if mode in ("LA", "RGBA"):
        return image.convert(mode)
    flat = Image.fromarray(255 - alpha).convert("L").point(lambda value: 7 if value else 0)
    flat = flat.convert(mode)
    flat.info["transparency"] = {"L": 7, "RGB": (7, 7, 7)}.get(mode)
    return flat


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "RGB"])
def test_transparent_pixels_stand_on_white(mode: str, tmp_path: Path) -> None:
    image = black_square_on_nothing(mode)
    more = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(tmp_path / "a.png", **more)
    assert corners(tmp_path / "a.png") == [[0, 0, 0], [255] * 3, [255] * 3, [255] * 3]


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_transparent_entries_of_a_palette_stand_on_white(transparency: int | bytes, tmp_path: Path) -> None:
    indices = np.ones((32, 32), np.uint8)
    indices[:16, :16] = 0
    image = Image.fromarray(indices, "P")
    image.putpalette([0, 0, 0, 0, 0, 0] + [9] * 762)
    image.save(tmp_path / "a.png", transparency=transparency)
    assert corners(tmp_path / "a.png") == [[0, 0, 0], [255] * 3, [255] * 3, [255] * 3]


def write_png(path: Path, coding: tuple[int, int], line: bytes, colour: bytes) -> None:
    """Write a PNG of 8 equal lines of 8 values; `coding` is its bits a value and its kind of colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 8, 8, *coding, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"tRNS", colour), chunk(b"IDAT", zlib.compress((b"\0" + line) * 8)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("coding", "values", "colour"),
    [
        ((16, 0), [b"\x12\x34", b"\0\0"], b"\x12\x34"),
        ((16, 2), [b"\x12\x34" * 3, b"\0" * 6], b"\x12\x34" * 3),
        ((8, 0), [b"\x77", b"\0"], b"\0\x77"),
    ],
    ids=["16-bit grey", "16-bit colour", "8-bit grey"],
)
def test_the_transparent_colour_of_a_png_stands_on_white(
    coding: tuple[int, int], values: list[bytes], colour: bytes, tmp_path: Path
) -> None:
    write_png(tmp_path / "a.png", coding, b"".join(value * 4 for value in values), colour)
    left, right, *_ = corners(tmp_path / "a.png")
    assert (left, right) == ([255, 255, 255], [0, 0, 0])


@pytest.mark.parametrize(("bits", "line"), [(2, b"\xaa\0"), (4, b"\x33\x33\0\0")])
def test_the_transparent_grey_of_few_bits_stands_on_white(bits: int, line: bytes, tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", (bits, 0), line, bytes([0, line[0] & (2**bits - 1)]))
    left, right, *_ = corners(tmp_path / "a.png")
    assert (left, right) == ([255, 255, 255], [0, 0, 0])


def test_a_palette_with_alpha_stands_on_white(tmp_path: Path) -> None:
    palette = bytes([0, 0, 0, 0, 0, 0, 0, 255])
    head = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, 2, 32, 0, 0, 32, 32, 8, 0x20)
    (tmp_path / "a.tga").write_bytes(head + palette + (bytes(16) + b"\1" * 16) * 32)
    left, right, *_ = corners(tmp_path / "a.tga")
    assert (left, right) == ([255, 255, 255], [0, 0, 0])


def test_half_transparent_pixels_are_mixed_with_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 100, 0, 51)).save(tmp_path / "a.png")
    expected = [round(value * 0.2 + 255 * 0.8) for value in (200, 100, 0)]
    assert all(abs(a - b) <= 1 for a, b in zip(corners(tmp_path / "a.png")[0], expected, strict=True))


def test_drawings_on_nothing_differ(tmp_path: Path) -> None:
    for name, size in (("a", 8), ("b", 24)):
        for index in range(4):
            image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
            image.paste((0, 0, 0, 255), (0, 0, size, size))
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(tmp_path / name / f"{index}.png")
    images = load(str(tmp_path)).train.images.float()
    assert images.std() > 50
    assert not torch.equal(images[0], images[-1])


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (40_000, 156), (65_535, 255), (257, 1)])
def test_16_bits_are_scaled_to_8(value: int, expected: int, tmp_path: Path) -> None:
    """65535 / 257 is 255."""
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray(np.full((32, 32), value, np.uint16)).save(tmp_path / "deep.tif")
    Image.fromarray(np.full((32, 32), value, np.int32), "I").save(tmp_path / "deeper.tif")
    for name in ("deep.png", "deep.tif", "deeper.tif"):
        assert corners(tmp_path / name)[0] == [expected] * 3


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0, 255]), (0.0, 0.5, [0, 128]), (10.0, 200.0, [10, 200]), (-3.0, 5000.0, [0, 255])],
)
def test_floats_are_scaled_by_their_range(
    low: float, high: float, expected: list[int], tmp_path: Path
) -> None:
    values = np.full((32, 32), low, np.float32)
    values[:16] = high
    Image.fromarray(values, "F").save(tmp_path / "a.tif")
    found = corners(tmp_path / "a.tif")
    assert [found[2][0], found[0][0]] == expected


def test_numbers_that_are_not_finite_are_black(tmp_path: Path) -> None:
    values = np.full((32, 32), 0.5, np.float32)
    values[0, 0], values[0, -1], values[-1, 0] = np.nan, np.inf, -np.inf
    Image.fromarray(values, "F").save(tmp_path / "a.tif")
    assert corners(tmp_path / "a.tif") == [[0] * 3, [0] * 3, [0] * 3, [128] * 3]


@pytest.mark.parametrize("value", [-5, 3e38, 70_000])
def test_deep_images_of_one_value_have_no_damage(value: float, tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    kind = np.float32 if value == 3e38 else np.int32
    Image.fromarray(np.full((32, 32), value, kind)).save(tmp_path / "a" / "x.tiff")
    values = np.array([[-3e38, 0], [0, 3e38]], np.float32)
    Image.fromarray(values).save(tmp_path / "a" / "y.tiff")
    (note,) = load(str(tmp_path)).notes
    assert note.startswith(f"{tmp_path / 'a' / 'x.tiff'} and 1 other file: has more than 8 bits")


def test_what_pillow_tells_programmers_is_no_damage() -> None:
    with pillow_warnings_heard(), listening() as heard:
        for category in (DeprecationWarning, ResourceWarning, UserWarning):
            warnings.warn_explicit(
                f"said as a {category.__name__}", category, "ImImagePlugin.py", 1, module="PIL.ImImagePlugin"
            )
    assert heard == {"has damaged metadata, which are left out (said as a UserWarning)"}


def test_deep_images_are_said_in_one_line(tmp_path: Path) -> None:
    write_classes(tmp_path, images=5)
    for index in range(3):
        deep = np.full((32, 32), 1000, np.uint16)
        Image.fromarray(deep).save(tmp_path / "a" / f"deep{index}.png")
    (note,) = load(str(tmp_path)).notes
    assert "deep" in note
    assert " 2 " in note


def exif(*, rational: tuple[int, int] = (1, 1), orientation: int = 6, kind: int = 10) -> bytes:
    """EXIF data with an orientation and a resolution, which may be no number."""
    return (
        b"Exif\0\0II*\0\x08\0\0\0"
        + struct.pack("<H", 2)
        + struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0)
        + struct.pack("<HHII", 0x11A, kind, 1, 38)
        + struct.pack("<I", 0)
        + struct.pack("<ii", *rational)
    )


DAMAGED_EXIF = {
    "a negative rational": exif(rational=(-1, 0)),
    "a rational without a denominator": exif(rational=(1, 0), kind=5),
    "a type that does not exist": exif(kind=77),
    "a value far away": exif()[:-16] + struct.pack("<I", 0) + b"\0" * 4,
    "cut off": exif()[:22],
    "no TIFF": b"Exif\0\0nonsense",
    "an odd orientation": exif(orientation=99),
}


@pytest.fixture
def photo() -> Image.Image:
    """Red on the left half, green on the right."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255
    pixels[:, 16:, 1] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", DAMAGED_EXIF)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_damaged_metadata_never_end_a_run(kind: str, ending: str, photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / f"a.{ending}", exif=DAMAGED_EXIF[kind])
    assert read_images([tmp_path / f"a.{ending}"], 32).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("kind", ["a negative rational", "a rational without a denominator"])
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_photograph_with_damaged_metadata_is_turned(
    kind: str, ending: str, photo: Image.Image, tmp_path: Path
) -> None:
    photo.save(tmp_path / f"a.{ending}", exif=DAMAGED_EXIF[kind], quality=95)
    upper, lower = read_images([tmp_path / f"a.{ending}"], 32)[0].float().unflatten(1, (2, 16)).mean((2, 3)).T
    assert upper[0] > 200 > 50 > upper[1], "red is above, after a quarter turn"
    assert lower[1] > 100 > 50 > lower[0]


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_tiff_with_damaged_metadata_is_turned(
    compression: str | None, photo: Image.Image, tmp_path: Path
) -> None:
    """Pillow writes a resolution as a rational; here its type becomes the one of signed rationals, 10."""
    file = tmp_path / "a.tif"
    photo.save(
        file, dpi=(72, 72), tiffinfo={0x112: 6}, **({"compression": compression} if compression else {})
    )
    content = bytearray(file.read_bytes())
    at = content.index(struct.pack("<HH", 0x11A, 5))
    content[at : at + 4] = struct.pack("<HH", 0x11A, 10)
    place = struct.unpack_from("<I", content, at + 8)[0]
    content[place : place + 8] = struct.pack("<ii", -1, 0)
    file.write_bytes(content)
    image = read_images([file], 32)[0]
    assert image[0, 4].min() == 255
    assert image[1, -4].min() == 255


def with_distant_make(path: Path) -> None:
    """A JPEG whose tag Make lies past the end of its metadata, of which Pillow warns."""
    head = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1)
    Image.new("RGB", (40, 40), (9, 9, 9)).save(path, exif=head + struct.pack("<HHIII", 0x10F, 2, 64, 4000, 0))


def test_damaged_metadata_are_said_in_one_line(tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    for index in range(50):
        with_distant_make(tmp_path / "a" / f"x{index}.jpg")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("error")
        (note,) = load(str(tmp_path)).notes
    assert shown == []
    assert note.startswith(f"{tmp_path / 'a' / 'x'}")
    assert " 49 " in note


@pytest.mark.full
def test_damaged_metadata_of_streamed_images_are_said_once(tmp_path: Path) -> None:
    write_classes(tmp_path, images=3)
    for index in range(20):
        with_distant_make(tmp_path / "a" / f"x{index}.jpg")
    program = f"""
import torch
from resunit.data import stream
dataset = stream({str(tmp_path)!r}, image_size=14)
for _ in range(2):
    for part in dataset.train.pictures(torch.arange(len(dataset.train))):
        pass
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path / 'a' / 'x'}")


def test_warnings_of_others_are_shown_as_before(tmp_path: Path) -> None:
    with_distant_make(tmp_path / "a.jpg")
    read_images([tmp_path / "a.jpg"], 32)
    with pytest.warns(UserWarning, match="of the host"):
        warnings.warn("of the host", UserWarning, stacklevel=1)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        read_images([tmp_path / "a.jpg"], 32)
    assert shown == []
