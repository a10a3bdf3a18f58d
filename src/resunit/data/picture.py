"""What augmentation does, as a picture: a row for each class, the original, then what each epoch sees."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from .augmentation import Augmentation, augment, epoch_plan
from .dataset import Dataset
from .errors import DataError
from .normalisation import Normalisation

EPOCHS = 8
ROWS = 10
CELL = 96  # pixels on the screen that an image takes at least
GAP = 6
HEADER = 28
INK, PAPER = (40, 40, 40), (255, 255, 255)


def show(
    dataset: Dataset,
    augmentation: Augmentation,
    normalisation: Normalisation,
    path: Path | str,
    seed: int = 0,
) -> None:
    """Write a PNG of the first image of up to ten classes, as it is and as the first epochs of `seed` see it.

    The images go through the very functions that training uses. Raises DataError if `path` cannot be written.
    """
    labels, images = dataset.train.labels.cpu(), dataset.train.images.cpu()
    rows = [int((labels == label).nonzero()[0]) for label in labels.unique()[:ROWS]]
    columns = [images[rows], *_epochs(images, rows, augmentation, normalisation.to("cpu"), seed)]
    names = [dataset.classes[int(labels[row])] for row in rows]
    headings = ["original", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    try:
        _draw(columns, names, headings).save(path, format="PNG")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def _epochs(
    images: torch.Tensor, rows: list[int], augmentation: Augmentation, normalisation: Normalisation, seed: int
) -> list[torch.Tensor]:
    """EPOCHS times (rows, 3, H, W) uint8."""
    plans = [epoch_plan(seed, epoch, len(images), augmentation) for epoch in range(EPOCHS)]
    normalised = normalisation(images[rows])
    return [
        normalisation.undo(augment(normalised, plan.offsets[rows], plan.flips[rows], augmentation))
        for plan in plans
    ]


def _draw(columns: list[torch.Tensor], names: list[str], headings: list[str]) -> Image.Image:
    size = columns[0].shape[-1]
    cell = size * max(1, CELL // size)
    font = ImageFont.load_default(size=15)
    margin = 2 * GAP + int(max(font.getlength(name) for name in names))
    width = margin + len(columns) * (cell + GAP) + GAP  # the original stands apart by one more gap
    picture = Image.new("RGB", (width, HEADER + len(names) * (cell + GAP)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        middle = HEADER + row * (cell + GAP) + cell // 2
        draw.text((margin - GAP, middle), name, INK, font, anchor="rm")
    for column, (images, heading) in enumerate(zip(columns, headings, strict=True)):
        left = margin + column * (cell + GAP) + (GAP if column else 0)
        draw.text((left + cell // 2, HEADER // 2), heading, INK, font, anchor="mm")
        for row, image in enumerate(images):
            scaled = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
            scaled = scaled.resize((cell, cell), Image.Resampling.NEAREST)
            picture.paste(scaled, (left, HEADER + row * (cell + GAP)))
    return picture
