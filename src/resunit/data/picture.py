"""The picture of augmentation: each row shows an image of one class, and the same image as several epochs see it."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from resunit.data.augmentation import Augmentation, EpochPlan, epoch_plan
from resunit.data.dataset import Dataset, Split
from resunit.data.normalisation import Normalisation
from resunit.data.random_transforms import erase, images_for_training
from resunit.data.streaming import StreamedSplit
from resunit.errors import DataError

EPOCHS = 8
MAX_ROWS = 10
CELL_PIXELS = 96  # Smaller images are enlarged by a whole factor, to this size at most.
GAP_PIXELS = 6
HEADER_PIXELS = 28
FONT_PIXELS = 15
INK_RGB, PAPER_RGB = (40, 40, 40), (255, 255, 255)


def show(
    dataset: Dataset[Split | StreamedSplit],
    augmentation: Augmentation,
    normalisation: Normalisation,
    path: Path | str,
    seed: int = 0,
) -> None:
    """Write a PNG of the first image of up to ten classes, as it is and as training sees it in eight epochs.

    The images go through the very functions that training uses.

    Args:
        dataset: its training images are shown.
        augmentation: how they are changed.
        normalisation: what training normalises them with; padding gets its mean colour.
        path: the picture to write.
        seed: the run's seed, which decides what each epoch draws.

    Raises:
        DataError: `path` cannot be written, or an image is not readable.
    """
    split = dataset.train.to("cpu")
    labels = split.labels
    rows = torch.tensor([int((labels == label).nonzero()[0]) for label in labels.unique()[:MAX_ROWS]])
    normalisation = normalisation.to("cpu")
    plans = [epoch_plan(seed, epoch, len(labels), augmentation) for epoch in range(EPOCHS)]
    if isinstance(split, StreamedSplit):
        epochs = list(split.augment(((plan, rows) for plan in plans), augmentation))
        if augmentation.random_erasing:
            epochs = [
                normalisation.undo(erase(normalisation(epoch), plan.seeds[rows], augmentation.random_erasing))
                for epoch, plan in zip(epochs, plans, strict=True)
            ]
    else:
        epochs = _augment(split.images[rows], rows, plans, augmentation, normalisation)
    columns = [torch.cat(list(split.pictures(rows))), *epochs]
    names = [dataset.classes[int(label)] for label in labels[rows]]
    headings = ["original", *(f"epoch {epoch + 1}" for epoch in range(EPOCHS))]
    try:
        _draw(columns, names, headings).save(path, format="PNG")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); give another file") from error


def _augment(
    images: Tensor,
    rows: Tensor,
    plans: list[EpochPlan],
    augmentation: Augmentation,
    normalisation: Normalisation,
) -> list[Tensor]:
    """Return the images (rows, 3, H, W) uint8 as training sees them under each plan."""
    return [
        normalisation.undo(images_for_training(images, rows, plan, augmentation, normalisation))
        for plan in plans
    ]


def _draw(columns: list[Tensor], names: list[str], headings: list[str]) -> Image.Image:
    """Return the picture of `columns`, each of which holds an image (3, H, W) uint8 for every row."""
    size = columns[0].shape[-1]
    cell = size * max(1, CELL_PIXELS // size)
    pitch = cell + GAP_PIXELS
    font = ImageFont.load_default(size=FONT_PIXELS)
    margin = 2 * GAP_PIXELS + int(max(font.getlength(name) for name in names))
    # A wider gap separates the originals from the augmented images.
    width = margin + len(columns) * pitch + GAP_PIXELS
    picture = Image.new("RGB", (width, HEADER_PIXELS + len(names) * pitch), PAPER_RGB)
    draw = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        middle = HEADER_PIXELS + row * pitch + cell // 2
        draw.text((margin - GAP_PIXELS, middle), name, INK_RGB, font, anchor="rm")
    for column, (images, heading) in enumerate(zip(columns, headings, strict=True)):
        left = margin + column * pitch + (GAP_PIXELS if column else 0)
        draw.text((left + cell // 2, HEADER_PIXELS // 2), heading, INK_RGB, font, anchor="mm")
        for row, image in enumerate(images):
            scaled = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
            scaled = scaled.resize((cell, cell), Image.Resampling.NEAREST)
            picture.paste(scaled, (left, HEADER_PIXELS + row * pitch))
    return picture
