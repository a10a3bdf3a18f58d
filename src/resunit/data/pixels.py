"""The pixels of a decoded image as a person would see them: upright, in RGB, with 8 bits a channel."""

import numpy as np
from PIL import ExifTags, Image

from resunit.data.remarks import DEEP, remark

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""
WHITE = (255, 255, 255)
GREATEST_16_BITS = 65_535
GREY_STEPS = {"L;2": 85, "L;4": 17}
"""The distance of two decoded grey values of a PNG of 2 or 4 bits, by Pillow's name for the coding."""


def turn_upright(image: Image.Image) -> Image.Image:
    """Return an image in RGB, turned upright as its EXIF data say.

    Transparent pixels stand on white. Grey values of more than 8 bits are scaled to 8: 16 bits from 0 to 65535,
    floats from 0 to 1 where they lie there, and other ranges from the image's least value to its greatest.
    """
    image.load()
    if (turn := TURNS.get(_orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        remark(DEEP)
        image = _scale_to_8_bits(image)
    if image.has_transparency_data:
        return _put_on_white(image.convert("LA") if image.mode == "La" else image)
    return image if image.mode == "RGB" else image.convert("RGB")


def scale_transparency(image: Image.Image) -> Image.Image:
    """Return an image that was opened and not yet loaded, whose transparent colour fits its decoded values.

    The colour stands in a PNG with as many bits as the file's values, which Pillow decodes to 8 bits, apart from
    16-bit grey.
    """
    colour, tiles = (
        image.info.get("transparency"),
        getattr(image, "tile", None),
    )  # Only opened images have tiles.
    coding = tiles[0].args if tiles else None
    if isinstance(colour, int) and coding in GREY_STEPS:
        image.info["transparency"] = colour * GREY_STEPS[coding]
    elif isinstance(colour, tuple) and coding == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    return image


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, which is upright, where the metadata cannot be read.

    Pillow's own function also rewrites the metadata, which fails for some metadata that are not needed here.
    """
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Damaged metadata raise errors of any kind.
        remark("has damaged metadata, which are left out")
        return 1


def _put_on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _scale_to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    is_transparent = values == image.info["transparency"] if "transparency" in image.info else None
    values[~np.isfinite(values)] = 0
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if image.mode == "F":
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low >= 0 and high <= 255:
            low, high = 0.0, 255.0
    elif low >= 0 and high <= GREATEST_16_BITS:
        low, high = 0.0, float(GREATEST_16_BITS)
    with np.errstate(over="ignore"):  # What is too large for float32 becomes white.
        values -= low
    values *= 255 / (high - low) if high > low else 0
    scaled = Image.fromarray(values.round(out=values).clip(0, 255).astype(np.uint8), "L")
    if is_transparent is not None:
        scaled.putalpha(Image.fromarray(~is_transparent))
    return scaled
