"""Saying in sentences with numbers what the measures of a network mean."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from resunit.io.format import format_count, format_share, to_two_digits
from resunit.propagation.junction import Junction
from resunit.propagation.show.branch_sentences import branch_sentences
from resunit.propagation.show.direct_path import direct_paths
from resunit.propagation.show.direct_sentences import cancellation_sentences, direct_sentences
from resunit.propagation.show.ranked_sentence import RUIN, RankedSentence, count_others
from resunit.propagation.show.remedies import SMALLEST_STREAM
from resunit.propagation.verdict import Verdict

UNSEEN = 0.3  # the weight of what could not be seen: after an effect that doubles or halves the signal


def describe_evidence(junctions: Sequence[Junction], verdict: Verdict, unseen: Sequence[str]) -> list[str]:
    """Return the evidence for a verdict in sentences, those of the largest weight first.

    Args:
        junctions: the measured junctions of the network.
        verdict: the verdict, which no sentence repeats or contradicts.
        unseen: sentences about calls that could not be looked into, and about absent measures. They come
            after the sentences about large effects, because they can be about what does not matter.
    """
    reached = select_reached(junctions)
    finite = [_drop_nonfinite(junction) for junction in reached]
    stages = [[j for j in finite if j.stage == stage] for stage in dict.fromkeys(j.stage for j in finite)]
    sentences = [
        *(RankedSentence(UNSEEN, text) for text in unseen if text != verdict.sentence),
        *(sentence for path in direct_paths(finite) for sentence in direct_sentences(path)),
        *cancellation_sentences(finite),
        *_truncation(finite),
        *_shortcuts_unlike_x(finite),
        *_gradient(finite),
        *_direct_share(finite),
        *branch_sentences(finite),
        *(sentence for stage in stages for sentence in _growth(stage)),
        *_small_stream(finite),
        *_headroom(finite),
        *_closure(finite, verdict),
        *_lesions(finite),
        *_singular_values(finite),
        *_correlation(finite),
    ]
    sentences.sort(key=lambda sentence: -sentence.weight)
    return [sentence.text for sentence in sentences]


def select_reached(junctions: Sequence[Junction]) -> list[Junction]:
    """Return the junctions that the batch reached."""
    return [junction for junction in junctions if junction.stream_rms is not None]


def _drop_nonfinite(junction: Junction) -> Junction:
    """Return the junction without the measures that are infinite or NaN, which no sentence can compare."""
    values = {field.name: getattr(junction, field.name) for field in fields(junction)}
    bad = [name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
    return replace(junction, **dict.fromkeys(bad))


def _truncation(junctions: list[Junction]) -> Iterator[RankedSentence]:
    # Without f the activation stands at the end of the network, where no later junction adds to the stream.
    cut = [j for j in junctions if j.energy_cut is not None and j.f]
    if not cut:
        return
    worst = max(cut, key=lambda j: j.energy_cut or 0.0)
    left = math.prod(1 - (j.energy_cut or 0.0) for j in cut)
    blocks = worst.gradient_blocked
    blocked = f" and blocks {format_share(blocks)} of the gradient's energy" if blocks else ""
    before = worst.f[: worst.f.index("relu")] if "relu" in worst.f else ()
    where = f" ({', '.join(before)} in between)" if before else ""
    median = format_share(statistics.median(j.energy_cut or 0.0 for j in cut))
    others = f"; the median of {len(cut)} such junctions is {median}" if len(cut) > 1 else ""
    yield RankedSentence(
        -math.log10(max(left, 1e-30)) / 2,
        f"the ReLU after the addition at {worst.name}{where} "
        f"cuts {format_share(worst.energy_cut or 0)} of the signal's energy "
        f"(P(y < 0) = {format_share(worst.negative_share or 0)}){blocked}{others}",
    )


def _shortcuts_unlike_x(junctions: list[Junction]) -> Iterator[RankedSentence]:
    odd = [j for j in junctions if j.effective_lambda is not None and (j.lambda_r2 or 0) < 0.9]
    if odd:
        kinds = " and ".join(dict.fromkeys(", ".join(j.operations) or j.kind for j in odd))
        fit = statistics.median(j.lambda_r2 or 0 for j in odd)
        yield RankedSentence(
            len(odd) * 0.5,
            f"the shortcut at {odd[0].name}{count_others(odd)} is no multiple of x "
            f"({kinds}; R^2 = {to_two_digits(fit)}): "
            f"its derivatives decide what passes, and no single factor lambda does",
        )


def _gradient(junctions: list[Junction]) -> Iterator[RankedSentence]:
    gains = [j for j in junctions if j.gradient_gain is not None]
    if len(gains) < 2:
        return
    first = gains[0].gradient_gain or 0.0
    if first == 0:
        yield RankedSentence(RUIN, f"no gradient at all reaches {gains[0].name}")
    elif abs(math.log10(first)) > 0.5:
        word = "grows" if first > 1 else "shrinks"
        yield RankedSentence(
            abs(math.log10(first)),
            f"on its way back from the last junction to {gains[0].name} the gradient {word} to "
            f"{to_two_digits(first)} times its norm",
        )


def _direct_share(junctions: list[Junction]) -> Iterator[RankedSentence]:
    shares = [
        j.gradient_direct / (j.gradient_direct + j.gradient_branch)
        for j in junctions
        if j.gradient_direct is not None and j.gradient_branch is not None
        if j.gradient_direct + j.gradient_branch > 0
    ]
    if shares:
        middle = statistics.median(shares)
        yield RankedSentence(
            0.5 if middle < 0.5 else 0.05,
            f"over a single junction, {format_share(middle)} of the gradient's norm comes through the shortcut "
            f"and {format_share(1 - middle)} through the branch, Eq. (5) with L = l + 1 "
            f"(medians over {format_count(len(shares), 'junction')})",
        )


def _growth(stage: list[Junction]) -> Iterator[RankedSentence]:
    if len(stage) < 2 or not stage[0].stream_rms or not stage[-1].stream_rms:
        return
    growth = stage[-1].stream_rms / stage[0].stream_rms
    if growth > 0 and abs(math.log10(growth)) > 0.5:
        yield RankedSentence(
            0.5 * abs(math.log10(growth)),
            f"the stream {'grows' if growth > 1 else 'shrinks'} "
            f"{to_two_digits(max(growth, 1 / growth))}-fold over the {len(stage)} junctions "
            f"of stage {stage[0].stage}, to a root mean square of {to_two_digits(stage[-1].stream_rms)}",
        )


def _small_stream(junctions: list[Junction]) -> Iterator[RankedSentence]:
    small = [j for j in junctions if j.stream_rms is not None and j.stream_rms < SMALLEST_STREAM]
    if small:
        least = min(small, key=lambda j: j.stream_rms or 0.0)
        rms = least.stream_rms or 0.0
        size = f"has a root mean square of {to_two_digits(rms)}" if rms else "is zero"
        yield RankedSentence(
            -math.log10(rms) if rms else RUIN / 4,
            f"the stream at {least.name}{count_others(small)} {size}: nearly nothing passes forward, and the epsilon "
            "of a norm or half precision hides it",
        )


def _headroom(junctions: list[Junction]) -> Iterator[RankedSentence]:
    measured = [j for j in junctions if j.headroom_fp16 is not None]
    if measured:
        tightest = min(measured, key=lambda j: j.headroom_fp16 or 0.0)
        bits = tightest.headroom_fp16 or 0.0
        if bits <= 0:
            yield RankedSentence(
                RUIN / 4, f"the stream at {tightest.name} overflows fp16 by {to_two_digits(-bits)} bits"
            )
        elif bits < 4:
            yield RankedSentence(
                1.0,
                f"the stream at {tightest.name} is within {to_two_digits(bits)} bits of fp16's largest number",
            )


def _closure(junctions: list[Junction], verdict: Verdict) -> Iterator[RankedSentence]:
    plain = [j for j in junctions if j.kind == "identity" and j.closure_error is not None]
    if not plain or any(j.nonfinite_share for j in junctions):
        return
    last = max(plain, key=lambda j: j.closure_error or 0.0)
    worst = last.closure_error or 0.0
    if worst < 1e-3:
        how = f"to {to_two_digits(worst)} of the stream" if worst else "exactly"
        odd = any(j.kind in ("scale", "gate") for j in junctions)
        within = "where h is the identity" if odd else "within every stage"
        # Eq. (4) is about the forward pass; the verdict is about the gradient too.
        passes = {
            "direct": ": the signal passes directly",
            "unmeasured": ": forward, the signal passes directly",
        }.get(verdict.kind, "")
        yield RankedSentence(
            0.0,
            f"x_L = x_l + sum F holds {within} {how}, Eq. (4){passes}",
        )
    else:
        before = [j for j in junctions[: junctions.index(last)] if j.stage == last.stage]
        followed = any(j.f for j in before)
        if before and before[0].kind == "projection":  # Eq. (4) begins after it.
            before = before[1:]
        odd = [j for j in before if j.kind != "identity"]
        causes = [f"h at {odd[0].name}{count_others(odd)}, which is no identity"] if odd else []
        causes += ["what follows the additions"] if followed else []
        yield RankedSentence(
            0.01,
            f"forward, x_L differs from x_l + sum F by up to {format_share(worst)} of the stream "
            "within a stage, Eq. (4): the stream is changed on the way by "
            f"{', and by '.join(causes) or 'rounding'}",
        )


def _lesions(junctions: list[Junction]) -> Iterator[RankedSentence]:
    measured = [j for j in junctions if j.loss_change is not None]
    if measured:
        most = max(measured, key=lambda j: j.loss_change or 0.0)
        helpful = sum((j.loss_change or 0.0) > 0 for j in measured)
        rise = to_two_digits(most.loss_change or 0.0)
        worth = f"without the branch at {most.name} the loss rises most, by {rise}; "
        yield RankedSentence(
            0.2,
            (worth if helpful else "") + f"the loss rises without {helpful} of {len(measured)} branches",
        )


def _singular_values(junctions: list[Junction]) -> Iterator[RankedSentence]:
    measured = [j for j in junctions if j.singular_value is not None]
    if measured:
        most = max(measured, key=lambda j: j.singular_value or 0.0)
        value = to_two_digits(most.singular_value or 0.0)
        yield RankedSentence(
            0.1,
            f"the junction at {most.name} can stretch a change of its input most, to {value} times its norm"
            if float(value) > 1
            else "no junction can stretch a change of its input: "
            f"at most {value} times its norm comes out, at {most.name}",
        )


def _correlation(junctions: list[Junction]) -> Iterator[RankedSentence]:
    measured = [j for j in junctions if j.sample_correlation is not None]
    if measured:
        first, last = measured[0].sample_correlation or 0.0, measured[-1].sample_correlation or 0.0
        yield RankedSentence(
            1.0 if last > 0.99 else 0.1,
            f"two samples' streams have a cosine of {to_two_digits(first)} at {measured[0].name} and "
            f"{to_two_digits(last)} at {measured[-1].name}",
        )


def summarise(name: str, junctions: Sequence[Junction]) -> str:
    """Return how many junctions a network has, of which kinds, and how many a pass did not reach."""
    reached = len(select_reached(junctions))
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(j.kind for j in junctions).items())
    stages = len({j.stage for j in junctions})
    missing = len(junctions) - reached
    absent = f"; this batch did not reach {missing} of them" if missing else ""
    counts = f"{format_count(len(junctions), 'junction')} in {format_count(stages, 'stage')}"
    return f"{name} has {counts}: {kinds}{absent}"
