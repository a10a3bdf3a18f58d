"""Sentences about the direct term: what of the gradient passes a stage through h and f alone."""

import math
from collections.abc import Iterator, Sequence

from resunit.io.format import format_count, format_share, to_two_digits
from resunit.propagation.junction import Junction
from resunit.propagation.show.direct_path import SMALLEST_CHANGE, DirectPath
from resunit.propagation.show.judgement import MULTIPLE_OF_X
from resunit.propagation.show.ranked_sentence import RUIN, RankedSentence


def direct_sentences(direct_path: DirectPath) -> Iterator[RankedSentence]:
    """Yield what is left of the gradient on the direct path of one stage, and what norms take of it."""
    path, gain, alone = direct_path.junctions, direct_path.gain, direct_path.alone
    of_norms = list(_norms_after_addition(path, gain, alone)) if gain and alone else []
    yield from of_norms
    # Where h passes all, what the norms leave is the direct term, and one sentence says it.
    if not (of_norms and alone and abs(math.log10(alone)) < SMALLEST_CHANGE):
        yield from _direct_gain(path, gain, alone)


def cancellation_sentences(junctions: Sequence[Junction]) -> Iterator[RankedSentence]:
    """Yield whether the gradient through the weights cancels the direct term of any sample."""
    known = [j for j in junctions if j.cancellation_min is not None and j.cancellation_share is not None]
    if not known:
        return
    worst = max(known, key=lambda j: j.cancellation_share or 0.0)
    if share := worst.cancellation_share:
        yield RankedSentence(
            0.3 * share,
            f"at {worst.name} the rest of the gradient takes away 90 % of the direct term or more in "
            f"{format_share(share)} of the samples (<rest, direct> / <direct, direct> below -0.9): "
            "no other junction has a larger share",
        )
    else:
        lowest = min(known, key=lambda j: j.cancellation_min or 0.0)
        yield RankedSentence(
            0.02,
            "the gradient through the weights cancels the direct term in no sample: "
            f"<rest, direct> / <direct, direct> is at least {to_two_digits(lowest.cancellation_min or 0.0)}, at "
            f"{lowest.name}, and -1 would cancel it",
        )


def _direct_gain(path: Sequence[Junction], gain: float, alone: float | None) -> Iterator[RankedSentence]:
    first = path[0]
    if gain == 0:
        closed = [j for j in path if j.kind == "scale" and j.effective_lambda == 0]
        cause = "the shortcuts are multiplied by 0" if closed else "h or f passes nothing"
        yield RankedSentence(
            RUIN / 2, f"no gradient passes stage {first.stage} directly: {cause}, there is no direct path"
        )
        return
    size = abs(math.log10(gain))
    if size < SMALLEST_CHANGE:
        return
    gates = sum(j.kind == "gate" for j in path)
    behind = f", behind {format_count(gates, 'gate')}," if gates else ""
    parts = _power_of_lambda(path)
    functions = dict.fromkeys(function for j in path for function in j.f)
    if functions and alone is not None:
        of_f = f" ({', '.join(functions)})"
        parts = f"{parts or to_two_digits(alone)} through h alone, {to_two_digits(gain / alone)} of it left by f{of_f}"
    if gain < 1e-3:
        meaning = "the gradient has no direct path"
    elif gain < 1:
        meaning = f"{format_share(gain)} of the gradient comes through directly"
    else:
        meaning = "the direct path amplifies the gradient"
    yield RankedSentence(
        size,
        f"the direct term of stage {first.stage}{behind} is {to_two_digits(gain)} at {first.name}"
        f"{f' ({parts})' if parts else ''}, relative to the gradient at the stage's end: {meaning}",
    )


def _power_of_lambda(path: Sequence[Junction]) -> str:
    """Return the product of equal lambdas as "0.5^18 = 3.8e-06"; "" where h is no equal multiple of x."""
    scales = [j.effective_lambda for j in path]
    first = scales[0]
    if first is None or any(j.kind not in ("scale", "identity") for j in path) or len(path) < 2:
        return ""
    if any(scale is None or abs(scale - first) > 1e-4 * abs(first) for scale in scales) or first == 1:
        return ""
    if any((j.lambda_r2 or 0.0) < MULTIPLE_OF_X for j in path):
        return ""
    base = f"{first:.4g}" if first > 0 else f"({first:.4g})"
    return f"{base}^{len(path)} = {to_two_digits(first ** len(path))}"


def _norms_after_addition(path: Sequence[Junction], gain: float, alone: float) -> Iterator[RankedSentence]:
    """Describe normalisation after the additions, as in Post-LN and in "BN after addition"."""
    normed = [j for j in path if any("norm" in name.lower() for name in j.f)]
    of_f = gain / alone
    if not normed or abs(math.log10(of_f)) < SMALLEST_CHANGE:
        return
    names = " and ".join(dict.fromkeys(", ".join(j.f) for j in normed))
    effect = "shrinks" if of_f < 1 else "amplifies"
    scaled = (
        f", and h alone multiplies it by {to_two_digits(alone)}"
        if abs(math.log10(alone)) >= SMALLEST_CHANGE
        else ""
    )
    yield RankedSentence(
        min(abs(math.log10(of_f)), abs(math.log10(gain))),  # h may undo what the norms do.
        f"{names} after the additions of stage {path[0].stage} {effect} the direct term to "
        f"{to_two_digits(of_f)} of it over {format_count(len(normed), 'junction')}, "
        f"{to_two_digits(of_f ** (1 / len(normed)))} each{scaled}",
    )
