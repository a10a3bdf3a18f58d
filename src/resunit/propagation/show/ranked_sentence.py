"""A sentence about a network, with its weight among all sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from resunit.io.format import format_count
from resunit.propagation.junction import Junction

# The weight of a sentence is the number of decades by which the signal or its gradient changes. Values that
# are not finite, and paths that are closed, weigh more than any change.
RUIN = 1000.0


class RankedSentence(NamedTuple):
    """A sentence about the measures, and how much it weighs among all sentences."""

    weight: float
    text: str


def count_others(junctions: Sequence[Junction]) -> str:
    """Return how many junctions there are beside the first, as the end of a list of names."""
    others = len(junctions) - 1
    return f" and {format_count(others, 'other')}" if others else ""
