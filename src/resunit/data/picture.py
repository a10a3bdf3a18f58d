"""What augmentation does, as a picture: a row for each class, the original, then what each epoch sees."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from resunit.data.augmentation import Augmentation, EpochPlan, augment, epoch_plan
from resunit.data.dataset import Dataset, Split
from resunit.data.normalisation import Normalisation
from resunit.data.streaming import StreamedSplit
from resunit.errors import DataError

EPOCHS = 8
ROWS = 10
CELL = 96  # pixels on the screen that an image takes at least
GAP = 6
HEADER = 28
INK, PAPER = (40, 40, 40), (255, 255, 255)


def show(
    dataset: Dataset[Split | StreamedSplit],
    augmentation: Augmentation,
    normalisation: Normalisation,
    path: Path | str,
    seed: int = 0,
) -> None:
    """Write a PNG of the first image of up to ten classes, as it is and as the first epochs of `seed` see it.

    The images go through the very functions that training uses. Raises DataError if `path` cannot be written.
    """
    split = dataset.train.to("cpu")
    labels = split.labels
    rows = torch.tensor([int((labels == label).nonzero()[0]) for label in labels.unique()[:ROWS]])
    plans = [epoch_plan(seed, epoch, len(labels), augmentation) for epoch in range(EPOCHS)]
    if isinstance(split, StreamedSplit):
        epochs = list(split.augmented(((plan, rows) for plan in plans), augmentation))
    else:
        epochs = _in_epochs(split.images[rows], rows, plans, augmentation, normalisation.to("cpu"))
    columns = [torch.cat(list(split.pictures(rows))), *epochs]
    names = [dataset.classes[int(label)] for label in labels[rows]]
    headings = ["original", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    try:
        _draw(columns, names, headings).save(path, format="PNG")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def _in_epochs(
    images: Tensor,
    rows: Tensor,
    plans: list[EpochPlan],
    augmentation: Augmentation,
    normalisation: Normalisation,
) -> list[Tensor]:
    """For each plan, the (rows, 3, H, W) uint8 images as training sees them."""
    normalised = normalisation(images)
    return [
        normalisation.undo(augment(normalised, plan.offsets[rows], plan.flips[rows], augmentation))
        for plan in plans
    ]


def _draw(columns: list[Tensor], names: list[str], headings: list[str]) -> Image.Image:
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
