"""The check of an exported network: it gives the logits that the network itself gives, on real images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from resunit.errors import ExportError
from resunit.inference.exported import Compute
from resunit.interop.export.subject import ExportSubject

RELATIVE_TOLERANCE = 1e-4
"""The largest difference, as a share of the largest logit. Logits of a thousand exist, so it is not absolute."""
FIRST_BATCHES, OTHER_BATCHES = (1, 5), 16  # images

Logits = Callable[[Tensor], Tensor]
"""Returns logits (N, classes) for N images in the layout of a network."""


@dataclass(frozen=True)
class Agreement:
    """How far the logits of an exported network are from those of the network itself."""

    relative_error: float
    """The largest difference as a share of the largest logit."""
    same_class: float
    """The share of images with the same first answer."""
    images: int
    origin: str
    """The data set of the images."""


def measure_agreement(logits: Logits, subject: ExportSubject) -> Agreement:
    """Return how far `logits` is from the network itself, on one image, on five together, and on all the others.

    Raises:
        ExportError: `logits` gives another number of answers.
    """
    first, second = FIRST_BATCHES
    batches = [
        subject.examples[:first],
        subject.examples[first : first + second],
        *subject.examples[first + second :].split(OTHER_BATCHES),
    ]
    with torch.no_grad():
        found = torch.cat([logits(batch) for batch in batches if len(batch)])
    expected = subject.expected
    if found.shape != expected.shape:
        raise ExportError(f"the exported network answers {tuple(found.shape)}, not {tuple(expected.shape)}")
    relative = float((found - expected).abs().max() / expected.abs().max().clamp_min(torch.finfo().tiny))
    same = float((found.argmax(1) == expected.argmax(1)).float().mean())
    return Agreement(relative, same, len(expected), subject.origin)


def check_agreement(logits: Logits, subject: ExportSubject, target: str) -> Agreement:
    """Return the agreement of an exported network with the network itself.

    The first answers are then the same too, except where the network's two highest logits are as near to each other
    as the tolerance.

    Raises:
        ExportError: the logits differ by more than the tolerance, so the file must not be kept.
    """
    agreement = measure_agreement(logits, subject)
    if not agreement.relative_error <= RELATIVE_TOLERANCE:  # so that NaN is refused
        raise ExportError(
            f"{target}: the logits differ from the network's by {agreement.relative_error:.1e} of the largest on "
            f"{agreement.images} images ({agreement.origin}), and {RELATIVE_TOLERANCE:.0e} is allowed; nothing was "
            "written; another version of the library may help"
        )
    return agreement


def on_tensors(compute: Compute) -> Logits:
    """Return the function that computes logits as tensors."""
    return lambda images: torch.from_numpy(compute(images.numpy()))


def not_exportable(target: str, error: Exception) -> ExportError:
    """Return the error for a network that a library cannot export."""
    reason = " ".join(str(error).split())[:300]
    return ExportError(f"{target}: the network cannot be exported ({type(error).__name__}: {reason})")
