"""Saying of every measure that a junction lacks why it is absent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resunit.propagation.detect.found_junction import Detection, FoundJunction
from resunit.propagation.junction import MEASURES, Junction
from resunit.propagation.measures.branch_products import affordable_branch_products
from resunit.propagation.measures.junction_sums import JunctionSums

ON_REQUEST = {"loss_change": "lesion", "singular_value": "jacobian", "sample_correlation": "correlation"}

NOT_REACHED = "this batch did not reach the junction"
CHANGES_SIZE = "the shortcut changes the size"
X_NOT_SEEN = "x was not seen: it is a step within a function that torch does not show"
NOT_FINITE = "the stream is not finite"
NOTHING_TRUNCATES = "no activation after the addition sets negative values to zero"
NO_GRADIENT = "no gradient of the loss reaches the junction"
NO_DIRECT_TERM = (
    "x, or what stands between two junctions, is a step within a function that torch does not show"
)


def with_reasons(
    junctions: Sequence[Junction],
    detection: Detection,
    sums: Mapping[int, JunctionSums[float]],
    requested: Sequence[str],
) -> list[Junction]:
    """Return the measured junctions with the reason for each measure that is None or not finite.

    Args:
        junctions: the measured junctions.
        detection: where they were found.
        sums: the sums of the junctions that the pass reached, by their numbers.
        requested: the measures that were asked for beside the usual ones.
    """
    affordable = affordable_branch_products(detection)
    explained = []
    for number, junction in enumerate(junctions):
        reasons = {
            measure: _reason(
                measure,
                junction,
                detection.junctions[number],
                sums.get(number),
                number in affordable,
                requested,
            )
            for measure in MEASURES
            if (value := getattr(junction, measure)) is None or not math.isfinite(value)
        }
        explained.append(replace(junction, absent=reasons))
    return explained


def _reason(
    measure: str,
    junction: Junction,
    found: FoundJunction,
    sums: JunctionSums[float] | None,
    is_affordable: bool,
    requested: Sequence[str],
) -> str:
    """Return why a measure of a junction is absent."""
    if getattr(junction, measure) is not None:
        return "it is not finite"
    if measure in ON_REQUEST and ON_REQUEST[measure] not in requested:
        return f'it is measured on request, by also=["{ON_REQUEST[measure]}"]'
    if sums is None:
        return NOT_REACHED
    if not math.isfinite(sums.sum_energy):
        return NOT_FINITE
    match measure:
        case "effective_lambda" | "lambda_r2" | "stream_growth":
            return _reason_of_x(found, sums)
        case "f_scale" | "f_r2":
            return (
                "what leaves the junction was not seen"
                if found.f
                else "no junction follows, and no f was found"
            )
        case "weight_input_rms" | "weight_input_mean" | "weight_input_spread":
            return "the branch has no convolution or linear layer whose input was seen and is real"
        case "branch_share":
            return "h and F are zero"
        case "cosine":
            return "h or F is zero"
        case "closure_error":
            return (
                "y is zero" if sums.sum_energy == 0 else "Eq. (4) begins here: " + _reason_of_x(found, sums)
            )
        case "negative_share" | "energy_cut" | "gradient_blocked":
            return _reason_of_truncation(measure, found, sums)
        case "headroom_bf16" | "headroom_fp16":
            return "y is zero" if sums.sum_peak == 0 else "y is not finite"
        case "singular_value":
            return "x was not seen, or an operation of the junction has no second derivative"
        case "sample_correlation":
            return NOT_REACHED
        case _:
            return _reason_of_gradient(measure, junction, sums, is_affordable)


def _reason_of_x(found: FoundJunction, sums: JunctionSums[float]) -> str:
    if found.x_shape is not None and not found.keeps_size:
        return CHANGES_SIZE
    energy = sums.shortcut_energy if found.x_is_addend else sums.input_energy
    if energy is None:
        return X_NOT_SEEN
    return "x is zero" if energy == 0 else "h is zero"


def _reason_of_truncation(measure: str, found: FoundJunction, sums: JunctionSums[float]) -> str:
    if found.truncation is None:
        return NOTHING_TRUNCATES
    if sums.activated_energy is None:
        return "what the activation after the addition takes was not seen"
    if measure == "gradient_blocked":
        return (
            NO_GRADIENT if not sums.activation_gradient else "the gradient behind the activation was not seen"
        )
    return "what the activation after the addition takes is zero"


def _reason_of_gradient(
    measure: str, junction: Junction, sums: JunctionSums[float], is_affordable: bool
) -> str:
    if not sums.sum_gradient:
        return NO_GRADIENT
    if measure == "gradient_branch" and not is_affordable:
        return (
            "the branch reaches back through most of the network, and a backward pass for it would be needed"
        )
    if measure.startswith("cancellation"):
        if sums.direct_term == 0:
            return "the direct term is zero: there is nothing to cancel"
        if sums.direct_term is not None:
            return "x has no dimension of samples, or dE/dx was not seen"
    if measure == "shortcut_gain" and junction.direct_gain is not None:
        return "what stands between two junctions moves the elements, so that it cannot be left out"
    match measure:
        case "gradient_gain":
            return "no gradient of the loss reaches x, or x was not seen"
        case "gradient_direct":
            return "no gradient of x passes h, or x was not seen"
        case "gradient_branch":
            return "no gradient of x passes F, or x was not seen"
        case _:
            return NO_DIRECT_TERM
