"""The page of predictions: images, the first classes with probabilities, and where the evidence lies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resunit.data.data_uri import data_uri
from resunit.errors import DataError
from resunit.inference.explained_image import Answers, ExplainedImage
from resunit.io.atomic import written_whole
from resunit.io.format import format_count, format_percent
from resunit.io.page import render_page
from resunit.training.class_activation_map import draw_evidence

MOST_IMAGES = 200  # A page of more would be too large for a browser to open quickly.
MOST_PROBLEMS = 100
MOST_PIXELS_SHOWN_SHARP = 64


@dataclass(frozen=True)
class ShownImage:
    """An image as the page shows it; pictures are data URIs."""

    name: str
    seen: str
    evidence: str | None
    """None for an exported network."""
    answers: Answers
    is_small: bool
    """Whether the image has so few pixels that each of them is shown sharp."""


@dataclass
class PredictionsPage:
    """Collects what the page shows, in memory for the first images alone.

    Attributes:
        title: the heading of the page.
        shown: the first images.
        images: the number of all images.
        problems: why files could not be read, the first of them.
        unreadable: the number of all such files.
    """

    title: str
    shown: list[ShownImage] = field(default_factory=list)
    images: int = 0
    problems: list[str] = field(default_factory=list)
    unreadable: int = 0

    def add_problem(self, error: DataError) -> None:
        """Take in why a file cannot be read."""
        self.unreadable += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(str(error))

    def add(self, found: ExplainedImage) -> None:
        """Take in the answers for one image."""
        self.images += 1
        if len(self.shown) < MOST_IMAGES:
            seen = data_uri(found.seen)
            evidence = None if found.evidence is None else draw_evidence(found.evidence)
            is_small = found.seen.shape[-1] <= MOST_PIXELS_SHOWN_SHARP
            self.shown.append(ShownImage(str(found.path), seen, evidence, found.answers, is_small))

    def render(self) -> str:
        """Return the page as HTML: one file that needs no internet connection."""
        return render_page(
            "predictions.html",
            package="resunit.inference",
            figures={},
            page=self,
            format_count=format_count,
            format_percent=format_percent,
        )


@contextmanager
def written_page(path: Path, title: str) -> Iterator[PredictionsPage]:
    """Give a page to add images to, which is written at the end of the context.

    Raises:
        WriteError: the operating system refused to write the file; a file that cannot be made is refused before the
            first image is added.
    """
    page = PredictionsPage(title)
    with written_whole(path) as write:
        yield page
        write(page.render().encode())
