"""The smallest numbers of judged images that allow conclusions."""

from collections.abc import Sequence

FEWEST_IMAGES = 100
FEWEST_IMAGES_A_CLASS = 5


def are_few(images: int, classes: int | None = None) -> bool:
    """Return whether an error on `images` images of `classes` classes allows no conclusion.

    They are few below 100 images, and below 5 images a class on average; `classes` is None where their
    number is not known.
    """
    return images < FEWEST_IMAGES or (classes is not None and images < FEWEST_IMAGES_A_CLASS * classes)


def remark_on_few(classes: Sequence[str], counts: Sequence[int], split: str) -> str | None:
    """Return a remark if the judged images, `counts` of the classes, are too few for a conclusion, else None."""
    images = sum(counts)
    if are_few(images, len(classes)):
        return f"judged on only {images:,} {split} images, too few for conclusions"
    rare = [pair for pair in zip(classes, counts, strict=True) if pair[1] < FEWEST_IMAGES_A_CLASS]
    if rare:
        name, count = rare[0]
        others = f", and {len(rare) - 1:,} more classes on few" if len(rare) > 1 else ""
        return f"class {name} judged on only {count:,} {split} images{others}"
    return None
