"""The margins of similarity: differences that are smaller count as none."""

from collections.abc import Mapping
from dataclasses import dataclass

from resunit.reproduction.claims.quantities import TEST_ERROR, TRAIN_ERROR, Quantity


@dataclass(frozen=True)
class Margins:
    """The margins of one scale, in points.

    Each is half of the difference, in the pilots of the scale, between the original ResNet-110 and its full
    pre-activation. This difference is the effect that the paper is about, and a difference of half its size is
    too small to matter beside it.
    """

    test_error: float
    train_error: float

    def of(self, quantity: Quantity) -> float | None:
        """Return the margin of a quantity; None for a quantity that has none."""
        return {TEST_ERROR.name: self.test_error, TRAIN_ERROR.name: self.train_error}.get(quantity.name)


# By scale. A scale gets its margins from its pilots, before the first run that decides anything.
MARGINS: Mapping[str, Margins] = {"laptop": Margins(test_error=4.17, train_error=3.91)}


def describe_margins(margins: Mapping[str, Margins]) -> str:
    """Return a sentence with the margins of every scale that has any."""
    if not margins:
        return "No scale has a margin yet."
    scales = [
        f"{scale} {of_scale.test_error:g} points of test error and {of_scale.train_error:g} of training error"
        for scale, of_scale in margins.items()
    ]
    return f"The margins are: {'; '.join(scales)}."
