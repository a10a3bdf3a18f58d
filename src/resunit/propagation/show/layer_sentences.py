"""The answer about a network without junctions: how the signal and the gradient change over its weight layers."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from resunit.io.format import format_count, to_two_digits
from resunit.propagation.detect.recorder import OVER_TIME
from resunit.propagation.layer import Layer
from resunit.propagation.measures.layer_pass import NOT_FINITE, NOT_REACHED
from resunit.propagation.show.ranked_sentence import RUIN, RankedSentence
from resunit.propagation.verdict import Verdict

REASONS = 0.4  # the weight of why there is no junction: after a gradient that changes by more than that
NOTICED = 0.5  # decades by which a measure changes until a sentence says so


def judge_layers(layers: Sequence[Layer]) -> Verdict:
    """Return the verdict on a network without junctions."""
    broken = [layer for layer in layers if layer.absent.get("signal_rms") == NOT_FINITE]
    if broken:
        return Verdict(
            "blocked",
            f"blocked: the signal at {broken[0].name} is infinite or NaN, and so what follows it means nothing",
        )
    if passed := [layer.passed_by for layer in layers if layer.passed_by is not None]:
        functions = ", ".join(name for name, _ in Counter(passed).most_common(3))
        return Verdict(
            "unmeasured",
            "unmeasured: no shortcut is added, so there is no direct term; in "
            f"{format_count(len(passed), 'place')} a value passes weight layers in another way ({functions})",
        )
    return Verdict(
        "blocked",
        "blocked: the network adds no shortcut, so nothing passes directly: all of the gradient goes through the "
        f"weights{_size_at_first(layers)}",
    )


def _size_at_first(layers: Sequence[Layer]) -> str:
    gain = layers[0].gradient_gain
    if len(layers) == 1 or gain is None:
        return f" of {format_count(len(layers), 'layer')}"
    return f", and its norm at the first of {len(layers)} weight layers is {to_two_digits(gain)} times that at the last"


def describe_layers(layers: Sequence[Layer], absences: Sequence[str]) -> list[str]:
    """Return the evidence in sentences, those of the largest weight first.

    Args:
        layers: the measured layers.
        absences: sentences about what could not be seen, and about absent measures.
    """
    sentences = [
        *(RankedSentence(REASONS, text) for text in absences),
        *_gradient(layers),
        *_weight_gradient(layers),
        *_signal(layers),
        *_recurrences(layers),
    ]
    sentences.sort(key=lambda sentence: -sentence.weight)
    return [sentence.text for sentence in sentences]


def layer_remedies(layers: Sequence[Layer]) -> list[str]:
    """Return what to change: shortcuts, if the network has none at all."""
    if judge_layers(layers).kind != "blocked" or any(NOT_FINITE in layer.absent.values() for layer in layers):
        return []
    if len(layers) < 3:  # There is nothing to go around.
        return []
    return [
        "if the network is to be deeper or trains badly: let two or three weight layers at a time be a branch F, and "
        "add what they take to what they return, x + F(x); wherever the size stays, a part of the gradient then "
        "passes them directly, Eq. (5)"
    ]


def summarise_layers(name: str, layers: Sequence[Layer]) -> str:
    """Return how many weight layers a network has, and of which functions, in one sentence."""
    functions = ", ".join(f"{count} {name}" for name, count in Counter(x.function for x in layers).items())
    missing = sum(NOT_REACHED in layer.absent.values() for layer in layers)
    absent = f"; this batch did not reach {missing} of them" if missing else ""
    return f"{name} has no junction and {format_count(len(layers), 'weight layer')}: {functions}{absent}"


def _gradient(layers: Sequence[Layer]) -> Iterator[RankedSentence]:
    known = [layer for layer in layers if layer.gradient_gain is not None]
    if not known:
        reasons = [layer.absent["gradient_gain"] for layer in layers if "gradient_gain" in layer.absent]
        if reasons:
            yield RankedSentence(RUIN, f"the measures of the gradient are absent: {reasons[0]}")
        return
    first, last, gain = known[0], known[-1], known[0].gradient_gain or 0.0
    if first is last:
        return
    if gain == 0:
        reached = next(layer for layer in known if layer.gradient_gain)
        yield RankedSentence(
            RUIN,
            f"no gradient at all reaches {first.name}: going back from {last.name}, the last layer that it reaches "
            f"is {reached.name}",
        )
        return
    decades = math.log10(gain)
    way = f"on its way back from {last.name}, the last weight layer, to {first.name}, the first,"
    if abs(decades) <= NOTICED:
        yield RankedSentence(0.2, f"{way} the gradient keeps {to_two_digits(gain)} times its norm")
        return
    each = to_two_digits(gain ** (1 / (len(known) - 1)))
    average = f", {each} times at each layer on average" if len(known) > 2 and each != "1" else ""
    yield RankedSentence(
        abs(decades),
        f"{way} the gradient {'grows' if gain > 1 else 'shrinks'} to {to_two_digits(gain)} times its norm{average}",
    )


def _weight_gradient(layers: Sequence[Layer]) -> Iterator[RankedSentence]:
    known = [layer for layer in layers if layer.weight_gradient_gain]
    if len(known) < 2:
        return
    least = min(known, key=lambda layer: layer.weight_gradient_gain or 0.0)
    most = max(known, key=lambda layer: layer.weight_gradient_gain or 0.0)
    span = math.log10((most.weight_gradient_gain or 1.0) / (least.weight_gradient_gain or 1.0))
    if span > 2 * NOTICED:
        yield RankedSentence(
            0.5 * span,
            f"relative to their size, the weights of {most.name} have {to_two_digits(10**span)} times the gradient of "
            f"those of {least.name}: one step of plain SGD trains some layers much faster than others",
        )


def _recurrences(layers: Sequence[Layer]) -> Iterator[RankedSentence]:
    if over_time := [layer for layer in layers if layer.function in OVER_TIME]:
        yield RankedSentence(
            REASONS / 2,
            f"what {over_time[0].function} hands on from one step in time to the next is not part of this: "
            "the answer is about the way from layer to layer",
        )


def _signal(layers: Sequence[Layer]) -> Iterator[RankedSentence]:
    known = [layer for layer in layers if layer.signal_rms]
    if silent := [layer for layer in layers if layer.signal_rms == 0]:
        yield RankedSentence(RUIN / 2, f"the signal at {silent[0].name} is zero")
    if len(known) < 2:
        return
    first, last = known[0], known[-1]
    change = (last.signal_rms or 1.0) / (first.signal_rms or 1.0)
    if abs(math.log10(change)) > NOTICED:
        yield RankedSentence(
            abs(math.log10(change)),
            f"forward, the signal {'grows' if change > 1 else 'shrinks'} from a root mean square of "
            f"{to_two_digits(first.signal_rms or 0.0)} at {first.name} to {to_two_digits(last.signal_rms or 0.0)} at "
            f"{last.name}",
        )
