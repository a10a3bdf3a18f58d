"""The direct path of one stage: what h and f, without the branches, leave of the gradient at the stage's end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resunit.propagation.junction import Junction

SMALLEST_CHANGE = 0.02  # in decades: a direct term between 0.955 and 1.047 counts as passed unchanged
NOTHING_LEFT = -math.inf


@dataclass(frozen=True)
class DirectPath:
    """The junctions of a stage from the first that keeps the size, with the direct term of the first.

    Attributes:
        junctions: the junctions in the order of the forward pass; all of them have a direct term.
    """

    junctions: tuple[Junction, ...]

    @property
    def stage(self) -> int:
        """The number of the stage, from 1."""
        return self.junctions[0].stage

    @property
    def gain(self) -> float:
        """The direct term at the first junction, relative to the gradient at the stage's end."""
        return self.junctions[0].direct_gain or 0.0

    @property
    def alone(self) -> float | None:
        """The same through h alone, without f; None where it is not known."""
        return self.junctions[0].shortcut_gain

    @property
    def change(self) -> float:
        """The decades by which the direct term changes, with its sign; minus infinity if nothing is left."""
        return _decades(self.gain)

    @property
    def is_whole(self) -> bool:
        """Whether the direct path leaves the gradient as it was."""
        return abs(self.change) < SMALLEST_CHANGE

    def changes(self) -> list[tuple[float, float]]:
        """Return by how many decades h, and by how many f, changes the direct term at each junction.

        Behind a junction that leaves nothing no junction changes anything.
        """
        whole = [j.direct_gain or 0.0 for j in self.junctions] + [1.0]
        # Where the direct term through h alone is not known, f changes nothing.
        alone = [
            gain if j.shortcut_gain is None or not math.isfinite(j.shortcut_gain) else j.shortcut_gain
            for gain, j in zip(whole, self.junctions, strict=False)
        ]
        alone.append(1.0)
        found = []
        for i in range(len(self.junctions)):
            both = _decades_between(whole[i], whole[i + 1])
            of_h = _decades_between(alone[i], alone[i + 1])
            found.append((of_h, both if of_h == NOTHING_LEFT else both - of_h))
        return found


def direct_paths(junctions: Sequence[Junction]) -> list[DirectPath]:
    """Return the direct paths of all stages that have one.

    A stage begins with a junction that changes the size, if it has one, and the path begins behind it. Only
    where no junction of the network keeps the size, paths begin with those that change it.
    """
    known = [j for j in junctions if j.direct_gain is not None and math.isfinite(j.direct_gain)]
    keeps_size = any(j.effective_lambda is not None for j in known)
    paths = []
    for stage in dict.fromkeys(j.stage for j in known):
        path = [j for j in known if j.stage == stage]
        while path and keeps_size and path[0].effective_lambda is None:
            path.pop(0)
        if path:
            paths.append(DirectPath(tuple(path)))
    return paths


def _decades(gain: float) -> float:
    return math.log10(gain) if gain > 0 else NOTHING_LEFT


def _decades_between(before: float, after: float) -> float:
    return _decades(before) - _decades(after) if after > 0 else 0.0
