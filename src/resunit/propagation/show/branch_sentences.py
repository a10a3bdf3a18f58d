"""Sentences about the branches: how much they add, with which sign, and what their weight layers take."""

from collections.abc import Iterator, Sequence

from resunit.io.format import format_share, to_two_digits
from resunit.propagation.junction import Junction
from resunit.propagation.show.ranked_sentence import RankedSentence, count_others

NORMALISED_WITHIN = 1.25  # the largest over the smallest root mean square of normalised inputs


def branch_sentences(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    """Yield sentences about the branches of a network."""
    yield from _sizes(junctions)
    yield from _signs(junctions)
    yield from _weight_inputs(junctions)


def _sizes(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    silent = [j for j in junctions if j.branch_share == 0]
    if silent:
        yield RankedSentence(
            0.4 * len(silent) / len(junctions),
            f"the branch at {silent[0].name}{count_others(silent)}: F is 0 there, and nothing is added, as before "
            "the first step where the last norm or a factor of the branch begins at 0",
        )
    idle = [j for j in junctions if j.branch_share is not None and 0 < j.branch_share < 0.01]
    if idle:
        yield RankedSentence(
            0.4 * len(idle) / len(junctions),
            f"the branch at {idle[0].name}{count_others(idle)} adds less than 1 % to what the shortcut brings",
        )
    flooded = [j for j in junctions if j.branch_share is not None and j.branch_share > 0.9]
    if flooded:
        yield RankedSentence(
            0.4 * len(flooded) / len(junctions),
            f"the branch at {flooded[0].name}{count_others(flooded)} drowns the shortcut: "
            f"{format_share(flooded[0].branch_share or 0)} of the sum of both norms",
        )


def never_negative_branches(junctions: Sequence[Junction]) -> list[Junction]:
    """Return the junctions whose F is above 0 somewhere and nowhere below; an F of 0 shows nothing of its sign."""
    return [
        j for j in junctions if j.branch_minimum is not None and j.branch_minimum >= 0 and j.branch_share != 0
    ]


def _signs(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    if rising := never_negative_branches(junctions):
        yield RankedSentence(
            0.5 * len(rising) / len(junctions),
            f"F is never negative at {rising[0].name}{count_others(rising)}: "
            "there the branch can only add, so the stream can only grow",
        )


def _weight_inputs(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    sizes = [j.weight_input_rms for j in junctions if j.weight_input_rms is not None]
    if len(sizes) < 2 or min(sizes) <= 0:
        return
    low, high = min(sizes), max(sizes)
    ends = list(dict.fromkeys((to_two_digits(low), to_two_digits(high))))
    span = f"its root mean square is {' to '.join(ends)}"
    if high < NORMALISED_WITHIN * low:
        yield RankedSentence(0.03, f"what the first weight layer of each branch takes is normalised: {span}")
    else:
        yield RankedSentence(
            0.25, f"what the first weight layers of the branches take is not normalised: {span}"
        )
