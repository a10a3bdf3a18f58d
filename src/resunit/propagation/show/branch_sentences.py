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


def only_grows(junction: Junction) -> bool:
    """Return whether a branch is never negative, and not zero everywhere, as at the start of ReZero."""
    return junction.branch_minimum is not None and junction.branch_minimum >= 0 and junction.branch_share != 0


def _sizes(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    idle = [j for j in junctions if j.branch_share is not None and j.branch_share < 0.01]
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


def _signs(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    rising = [j for j in junctions if only_grows(j)]
    if rising:
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
