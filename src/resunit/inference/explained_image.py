"""The answers of a trained network for an image file, with the pixels that it saw and the evidence in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

Answers: TypeAlias = list[tuple[str, float]]
"""The (class, probability) pairs of one image, the most probable first."""


@dataclass(frozen=True)
class ExplainedImage:
    """The answers for one image file with their evidence."""

    path: Path
    answers: Answers
    seen: Tensor
    """(3, H, W) uint8, the square of the image that the network saw."""
    evidence: Tensor | None
    """(H', W') float32, the class activation map of the first answer; None for an exported network."""
