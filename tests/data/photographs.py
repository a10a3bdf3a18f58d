"""A small folder of photographs, as ImageNet's is: train/<class>/<image>.jpg and val/<class>/<image>.jpg."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")


def write_photographs(folder: Path, train: int = 5, val: int = 2) -> Path:
    """Classes differ in their colours, images in their size and noise."""
    noise = np.random.default_rng(0)
    for part, count in (("train", train), ("val", val)):
        for label, name in enumerate(CLASSES):
            (folder / part / name).mkdir(parents=True)
            for index in range(count):
                width, height = noise.integers(90, 140, 2)
                colour = 40 + 35 * np.array([label, 5 - label, (2 * label) % 6])
                small = colour + noise.integers(-30, 30, (8, 8, 3))
                image = Image.fromarray(small.clip(0, 255).astype(np.uint8)).resize((width, height))
                image.save(folder / part / name / f"{index}.jpg", quality=90)
    return folder
