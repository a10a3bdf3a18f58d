"""An image as text that a page can hold."""

import base64
import io

from PIL import Image
from torch import Tensor

THUMBNAIL_PIXELS = 128


def data_uri(image: Tensor | Image.Image) -> str:
    """Return an image, PIL's or (3, H, W) uint8, as the data URI of a PNG.

    An image with a side of more than `THUMBNAIL_PIXELS` becomes smaller, so that a page of many stays small.
    """
    if isinstance(image, Tensor):
        picture = Image.fromarray(image.cpu().permute(1, 2, 0).contiguous().numpy())
    else:
        picture = image.copy()
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    return png_uri(picture)


def png_uri(picture: Image.Image) -> str:
    """Return a picture as the data URI of a PNG, with every pixel."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
