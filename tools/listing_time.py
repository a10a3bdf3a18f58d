"""Print how long the listing of a folder with many small images takes: python -m tools.listing_time 200000

The images are streamed, so none is decoded but the few whose sizes decide the size of the crops.
"""

import io
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from resunit.data import stream

CLASSES = 100
SIDE = 40


def write_images(folder: Path, count: int) -> None:
    """Write `count` equal images in class folders."""
    encoded = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(encoded, "JPEG")
    for number in range(count):
        place = folder / "train" / f"class{number % CLASSES:03}"
        if number < CLASSES:
            place.mkdir(parents=True)
        (place / f"{number:08}.jpg").write_bytes(encoded.getvalue())


def main(count: int) -> None:
    """Write the images, list them twice, and print the times."""
    with TemporaryDirectory() as folder:
        write_images(Path(folder), count)
        for name in ("first", "second"):
            wall, processor = time.perf_counter(), time.process_time()
            images = stream(folder)
            print(
                f"{name} time: {len(images.train) + len(images.test):,} files in {time.perf_counter() - wall:.1f} s, "
                f"of which the processor computes {time.process_time() - processor:.1f} s"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
