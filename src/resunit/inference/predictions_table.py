"""The file of comma-separated values that predictions are written into, with a line for each image."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from resunit.inference.explained_image import ExplainedImage
from resunit.io.atomic import written_whole
from resunit.io.format import escape_text


@contextmanager
def written_table(path: Path, top: int) -> Iterator[Callable[[ExplainedImage], None]]:
    """Give a function that adds an image's line; the file is there whole at the end of the context.

    The columns are image, class and probability, and class_2, probability_2 and so on for further answers. What a
    terminal cannot show is written out in names.

    Args:
        path: the file.
        top: the number of answers of each image.

    Raises:
        WriteError: the operating system refused to write the file.
    """
    with written_whole(path) as write:

        def write_row(values: list[str]) -> None:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(values)
            write(text.getvalue().encode())

        def add(image: ExplainedImage) -> None:
            row = [escape_text(str(image.path))]
            for name, probability in image.answers:
                row += [escape_text(name), f"{probability:.6f}"]
            write_row(row)

        numbers = ["", *(f"_{place}" for place in range(2, top + 1))]
        write_row(["image", *(f"{name}{number}" for number in numbers for name in ("class", "probability"))])
        yield add
