"""Where a stage ends and the next begins, for the figures."""

from collections.abc import Sequence

from resunit.propagation.junction import Junction


def stage_boundaries(junctions: Sequence[Junction]) -> list[float]:
    """Return the places between the numbers of neighbouring junctions, from 1, that are of two stages."""
    return [
        number + 0.5
        for number in range(1, len(junctions))
        if junctions[number - 1].stage != junctions[number].stage
    ]
