"""Saying what to change in a network whose signal does not pass directly."""

import math
from collections.abc import Sequence

from resunit.io.format import format_count, to_two_digits
from resunit.propagation.junction import Junction
from resunit.propagation.show.branch_sentences import only_grows
from resunit.propagation.show.judgement import Cause, CauseKind, causes, has_norm
from resunit.propagation.show.ranked_sentence import count_others

LEFT_BY_A_NORM = 1e-3  # of a gradient: a norm that leaves less stands before a loss that it makes constant
SMALLEST_STREAM = 1e-4  # root mean square below which the epsilon of a norm (1e-5 of the squares) decides


def remedies(junctions: Sequence[Junction]) -> list[str]:
    """Return what to change, the strongest effect first; nothing if the signal passes directly.

    Args:
        junctions: the junctions that a pass reached, as they were measured.
    """
    broken = [j for j in junctions if j.nonfinite_share]
    if broken:
        return [
            f"look at the branch of {broken[0].name} first, where the stream stops being finite: lower the learning "
            "rate or the scale of its weights, or compute it in float32"
        ]
    lost = [j for j in junctions if j.gradient_gain is not None and not math.isfinite(j.gradient_gain)]
    if lost:
        return [
            f"look at what {lost[-1].name} is followed by, where the gradient stops being finite: a division, a root "
            "or a logarithm of zero, or half precision without a scaled loss"
        ]
    by_kind: dict[CauseKind, list[Cause]] = {}
    for cause in causes(junctions):
        by_kind.setdefault(cause.kind, []).append(cause)
    found = [_remedy_in_loss(cause) for same in by_kind.values() for cause in same if _is_of_the_loss(cause)]
    found += [_remedy(same) for same in by_kind.values()]
    found += _remedy_in_stream(junctions)
    rising = [j for j in junctions if only_grows(j)]
    if rising:
        found.append(
            f"end the branch of {rising[0].name}{count_others(rising)} in a weight layer and not in an activation, so "
            "that F can be negative"
        )
    return found


def _is_of_the_loss(cause: Cause) -> bool:
    """Return whether the norm behind the last addition takes nearly all of the gradient of the loss."""
    last = cause.path.junctions[-1]
    return cause.kind == "norm" and has_norm(last) and (last.direct_gain or 0.0) < LEFT_BY_A_NORM


def _remedy_in_loss(cause: Cause) -> str:
    return (
        f"give targets or another loss= first: the norm at {cause.path.junctions[-1].name}, behind the last addition, "
        "lets hardly any gradient of this loss through, as of the mean square of what a norm returns"
    )


def _remedy(same: Sequence[Cause]) -> str:
    where = [junction for cause in same for junction in cause.junctions]
    at = f"{where[0].name}{count_others(where)}" if where else f"stage {same[0].path.stage}"
    match same[0].kind:
        case "multiple":
            return (
                f"make h the identity at {at}, and scale the branch instead: a factor on the shortcut is multiplied "
                "over all junctions, Eq. (6)"
            )
        case "gate":
            return (
                f"take the gate off the shortcut at {at}, or start it open (in our designs with a more negative "
                "--gate-bias), so that h is nearly the identity (section 3)"
            )
        case "operations":
            return (
                f"use the identity as h at {at} wherever the size stays, and keep projections, pooling and dropout "
                "for the branch (section 3)"
            )
        case "truncation":
            return (
                f"move the activation at {at} from behind the addition to the beginning of the branch, as full "
                "pre-activation does, Fig. 4 (e)"
            )
        case "norm":
            return (
                f"move the norm at {at} from behind the addition to the beginning of the branch (full pre-activation, "
                "Pre-LN), or scale x up before the norm, as DeepNorm does"
            )
        case "other f":
            return (
                f"move what follows the addition at {at} into the branch: a factor on the sum scales the "
                "shortcut too, Eq. (6)"
            )


def _remedy_in_stream(junctions: Sequence[Junction]) -> list[str]:
    found = []
    small = [j for j in junctions if j.stream_rms is not None and 0 <= j.stream_rms < SMALLEST_STREAM]
    if small:
        found.append(
            f"scale up what the network adds to before {small[0].name} (the embedding or the first layer): a stream of "
            f"{to_two_digits(small[0].stream_rms or 0.0)} is below what norms and half precision tell from zero"
        )
    large = [j for j in junctions if j.headroom_fp16 is not None and j.headroom_fp16 <= 0]
    if large:
        found.append(
            f"compute the stream from {large[0].name} on in bfloat16 or float32, or scale the branches down: it "
            f"overflows float16 at {format_count(len(large), 'junction')}"
        )
    return found
