"""Generated pictures: soft shapes of random colours, with fine grain, of uneven sizes."""

from pathlib import Path

import numpy as np
from PIL import Image


def make_picture(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    grain = random.normal(0, 6, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path, seeds: range, suffix: str = ".png") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed}{suffix}" for seed in seeds]
    for seed, path in zip(seeds, paths, strict=True):
        make_picture(seed).save(path)
    return paths
