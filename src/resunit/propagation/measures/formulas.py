"""Computing the measures of each junction from its sums; `Junction` states the formulas."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from resunit.propagation.detect.found_junction import FoundJunction
from resunit.propagation.junction import Junction
from resunit.propagation.measures.junction_sums import JunctionSums
from resunit.propagation.measures.reached_streams import junctions_before

BF16_MAX = 3.3895e38
FP16_MAX = 65504.0


class _Fit(NamedTuple):
    """The scale of one tensor that is nearest to another, and the share of the other that it explains."""

    scale: float | None
    r2: float | None


UNKNOWN = _Fit(None, None)
EXACT_IDENTITY = _Fit(1.0, 1.0)


def compute_measures(
    found: Sequence[FoundJunction], sums: Mapping[int, JunctionSums[float]]
) -> list[Junction]:
    """Return the measured junctions.

    Args:
        found: the junctions of the network.
        sums: the sums of the junctions that the pass reached, by their numbers in `found`.
    """
    gradients = [sums[number].sum_gradient for number in sorted(sums)]
    last_gradient = next((value for value in reversed(gradients) if value), None)
    next_of = {junction.previous: number for number, junction in reversed(list(enumerate(found)))}
    end_gradients = _end_gradients(found, sums)
    junctions = []
    for number, junction in enumerate(found):
        junction_sums = sums.get(number)
        following = found[next_of[number]] if number in next_of else None
        of_lambda = UNKNOWN if junction_sums is None else _fit_of_lambda(junction, junction_sums)
        of_f = _fit_of_f(junction, following, junction_sums)
        measured = Junction(
            name=junction.name,
            kind=junction.kind,
            operations=junction.operations,
            f=junction.f,
            shared_preactivation=junction.shared_preactivation,
            stage=junction.stage,
            shape=junction.shape if junction_sums is None else junction_sums.shape,
            exact=junction.exact,
            effective_lambda=of_lambda.scale,
            lambda_r2=of_lambda.r2,
            f_scale=of_f.scale,
            f_r2=of_f.r2,
        )
        if junction_sums is not None:
            measured = _with_measures(
                measured, junction, junction_sums, last_gradient, end_gradients.get(number)
            )
        junctions.append(measured)
    return junctions


def _with_measures(
    measured: Junction,
    found: FoundJunction,
    sums: JunctionSums[float],
    last_gradient: float | None,
    end_gradient: float | None,
) -> Junction:
    """Return `measured` with the measures of one pass.

    Args:
        measured: the junction with what does not depend on gradients.
        found: where it was found.
        sums: its sums.
        last_gradient: ||dE/dy_L||^2 at the last junction.
        end_gradient: ||dE/dx||^2 at the end of the stage.
    """
    if not sums.sum_gradient:  # What is relative to no gradient is absent, and not zero.
        last_gradient = None
    shortcut, branch = math.sqrt(sums.shortcut_energy), math.sqrt(sums.branch_energy)
    input_energy = sums.shortcut_energy if found.x_is_addend else sums.input_energy
    return replace(
        measured,
        branch_share=_ratio(branch, branch + shortcut),
        cosine=_ratio(sums.shortcut_branch_product, math.sqrt(sums.shortcut_energy * sums.branch_energy)),
        stream_rms=math.sqrt(sums.sum_energy / max(1, math.prod(sums.shape))),
        stream_growth=_ratio_of_norms(sums.sum_energy, input_energy),
        closure_error=_ratio_of_norms(sums.closure_energy, sums.sum_energy),
        gradient_gain=_ratio_of_norms(sums.input_gradient, last_gradient),
        gradient_direct=_ratio_of_norms(sums.direct_gradient, last_gradient),
        gradient_branch=_ratio_of_norms(sums.branch_gradient, last_gradient),
        direct_gain=_ratio_of_norms(sums.direct_term, end_gradient),
        shortcut_gain=_ratio_of_norms(sums.shortcut_term, end_gradient),
        cancellation_min=_known(sums.cancellation_min),
        cancellation_median=_known(sums.cancellation_median),
        cancellation_share=_known(sums.cancellation_share),
        branch_minimum=sums.branch_minimum,
        branch_negative_share=sums.branch_negative_share,
        weight_input_rms=None if sums.weight_input_energy is None else math.sqrt(sums.weight_input_energy),
        weight_input_mean=sums.weight_input_mean,
        weight_input_spread=sums.weight_input_spread,
        negative_share=sums.negative_share,
        energy_cut=_ratio(sums.cut_energy, sums.activated_energy),
        gradient_blocked=_gradient_blocked(found, sums),
        nonfinite_share=sums.nonfinite_share or 0.0,
        headroom_bf16=_headroom_bits(BF16_MAX, sums.sum_peak),
        headroom_fp16=_headroom_bits(FP16_MAX, sums.sum_peak),
    )


def _fit_of_lambda(junction: FoundJunction, sums: JunctionSums[float]) -> _Fit:
    """Fit h by a multiple of x."""
    if junction.x_is_addend:
        return EXACT_IDENTITY
    energy, product = sums.input_energy, sums.shortcut_input_product
    if energy is None or product is None:  # x_l has another size than h, or the pass did not show it.
        may_keep_size = junction.x_shape is None or junction.keeps_size
        return EXACT_IDENTITY if junction.kind == "identity" and may_keep_size else UNKNOWN
    scale = _ratio(product, energy)
    r2 = _ratio(product**2, sums.shortcut_energy * energy)
    return _Fit(scale, 1.0 if scale == 0 and sums.shortcut_energy == 0 else r2)


def _end_gradients(
    found: Sequence[FoundJunction], sums: Mapping[int, JunctionSums[float]]
) -> dict[int, float | None]:
    """Return ||dE/dx||^2 at the end of each junction's stage, by the numbers of the junctions."""
    next_in_stage = {before: number for number, before in junctions_before(found, sums).items()}
    ends: dict[int, float | None] = {}
    for number in sorted(sums, reverse=True):
        following = next_in_stage.get(number)
        ends[number] = sums[number].end_gradient if following is None else ends[following]
    return ends


def _fit_of_f(
    junction: FoundJunction, following: FoundJunction | None, sums: JunctionSums[float] | None
) -> _Fit:
    """Fit the value that leaves the unit by a multiple of y_l."""
    f = junction.f
    if not f:
        return UNKNOWN if following is None else EXACT_IDENTITY
    if sums is None:
        return UNKNOWN
    if f == ("relu",) and sums.cut_energy is not None:
        # Because <relu(y), y> = ||relu(y)||^2, scale and R^2 are both the share of energy that is kept.
        cut = _ratio(sums.cut_energy, sums.activated_energy)
        return UNKNOWN if cut is None else _Fit(1 - cut, 1 - cut)
    energy, product = sums.output_energy, sums.output_sum_product
    if energy is None or product is None:
        return UNKNOWN
    return _Fit(_ratio(product, sums.sum_energy), _ratio(product**2, energy * sums.sum_energy))


def _gradient_blocked(junction: FoundJunction, sums: JunctionSums[float]) -> float | None:
    takes_sum = junction.truncation is not None and junction.truncation.input is None
    passed = sums.sum_gradient if takes_sum else sums.activated_gradient
    share = _ratio(passed, sums.activation_gradient)
    return None if share is None else min(1.0, max(0.0, 1 - share))


def _headroom_bits(largest: float, peak: float) -> float | None:
    return math.log2(largest / peak) if math.isfinite(peak) and peak != 0 else None


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _ratio(a: float | None, b: float | None) -> float | None:
    """Return a / b, or None if either is missing or b is zero or NaN."""
    return None if a is None or b is None or b == 0 or math.isnan(b) else a / b


def _ratio_of_norms(a_squared: float | None, b_squared: float | None) -> float | None:
    """Return the ratio of two norms from their squares."""
    quotient = _ratio(a_squared, b_squared)
    return None if quotient is None else math.sqrt(quotient)
