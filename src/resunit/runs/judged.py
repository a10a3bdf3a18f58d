"""The number of images that a network was judged on: whether it allows conclusions."""

FEWEST_IMAGES = 100
FEWEST_IMAGES_A_CLASS = 5


def are_few(images: int, classes: int | None = None) -> bool:
    """Return whether no conclusion can be drawn from an error on so many images of so many classes.

    They are few below 100 images, and below 5 images a class on average; `classes` is None where their
    number is not known.
    """
    return images < FEWEST_IMAGES or (classes is not None and images < FEWEST_IMAGES_A_CLASS * classes)
