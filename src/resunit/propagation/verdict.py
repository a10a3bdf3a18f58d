"""The verdict on a network: does the signal pass directly, and if not, where and how much is lost."""

from dataclasses import dataclass
from typing import Literal

VerdictKind = Literal["direct", "scaled", "gated", "truncated", "blocked", "unmeasured"]


@dataclass(frozen=True)
class Verdict:
    """What a measurement says of the direct path, of the stage in which the path changes most.

    Attributes:
        kind: "direct" if h and f leave the gradient of every stage between 0.955 and 1.047 times its norm;
            else what changes it most: "scaled" by a factor, a norm or an operation, "gated" by a function of
            x, "truncated" by an activation after the addition; "blocked" if nothing passes or a value is
            not finite; "unmeasured" if no direct term is known.
        sentence: the verdict in one sentence.
        stage: the number of the stage, from 1; None if no stage stands out.
        junctions: the names of the stage's junctions at which the cause stands, the strongest first.
        direct_gain: the direct term at the beginning of the stage, relative to the gradient at its end:
            `Junction.direct_gain`. None if it is not known.
    """

    kind: VerdictKind
    sentence: str
    stage: int | None = None
    junctions: tuple[str, ...] = ()
    direct_gain: float | None = None
