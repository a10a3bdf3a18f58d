"""How many images an error was measured on, and whether conclusions can be drawn from so many."""

from collections.abc import Sequence

FEW_IMAGES = 100
FEW_IMAGES_OF_A_CLASS = 5


def too_few(images: int, classes: int) -> bool:
    """Return whether so few images of so many classes were judged that their error decides nothing."""
    return images < max(FEW_IMAGES, FEW_IMAGES_OF_A_CLASS * classes)


def rare_classes(classes: Sequence[str], counts: Sequence[int]) -> list[tuple[str, int]]:
    """Return the classes with so few judged images that their own errors decide nothing, and the numbers."""
    return [
        (name, count) for name, count in zip(classes, counts, strict=True) if count < FEW_IMAGES_OF_A_CLASS
    ]


def remark_on_few(classes: Sequence[str], counts: Sequence[int], split: str) -> str | None:
    """Return what to say about few judged images; None if there are enough.

    Args:
        classes: the class names.
        counts: the number of judged images of each class.
        split: what the images are, "test" or "validation".
    """
    images = sum(counts)
    if too_few(images, len(classes)):
        return f"judged on only {images:,} {split} images, too few for conclusions"
    if rare := rare_classes(classes, counts):
        name, count = rare[0]
        others = f", and {len(rare) - 1:,} more classes on few" if len(rare) > 1 else ""
        return f"class {name} judged on only {count:,} {split} images{others}"
    return None
