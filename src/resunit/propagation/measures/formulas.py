"""Computing the measures of each junction from its sums; `Junction` states the formulas."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from resunit.propagation.detect.found_junction import FoundJunction
from resunit.propagation.junction import Junction
from resunit.propagation.measures.junction_sums import JunctionSums

BF16_MAX = 3.3895e38
FP16_MAX = 65504.0


class _Fit(NamedTuple):
    """The scale of one tensor that is nearest to another, and the share of the other that it explains."""

    scale: float | None
    r2: float | None


class _Products(NamedTuple):
    """Products over the stage up to a junction: of lambda alone, and of lambda and the scales of f."""

    of_lambda: float | None
    of_path: float | None


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
    last_gradient = next((value for value in reversed(gradients) if value is not None), None)
    next_of = {junction.previous: number for number, junction in reversed(list(enumerate(found)))}
    products: dict[int, _Products] = {}
    junctions = []
    for number, junction in enumerate(found):
        junction_sums = sums.get(number)
        has_next = number in next_of
        f = found[next_of[number]].previous_f if has_next else ()
        of_lambda = UNKNOWN if junction_sums is None else _fit_of_lambda(junction, junction_sums)
        of_f = _fit_of_f(f, junction_sums) if has_next else UNKNOWN
        product, path = _products(junction, found, products, of_lambda.scale)
        path = None if path is None or of_f.scale is None else path * of_f.scale
        products[number] = _Products(product, path)
        measured = Junction(
            name=junction.name,
            kind=junction.kind,
            operations=junction.operations,
            f=f,
            stage=junction.stage,
            shape=junction.shape if junction_sums is None else junction_sums.shape,
            exact=junction.exact,
            effective_lambda=of_lambda.scale,
            lambda_r2=of_lambda.r2,
            lambda_product=product,
            f_scale=of_f.scale,
            f_r2=of_f.r2,
            path_product=path,
        )
        if junction_sums is not None:
            measured = _with_measures(measured, junction, junction_sums, last_gradient)
        junctions.append(measured)
    return junctions


def _with_measures(
    measured: Junction, found: FoundJunction, sums: JunctionSums[float], last_gradient: float | None
) -> Junction:
    """Return `measured` with the measures of one pass; `last_gradient` is ||dE/dy_L||^2."""
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


def _fit_of_f(f: tuple[str, ...], sums: JunctionSums[float] | None) -> _Fit:
    """Fit x_{l+1} by a multiple of y_l."""
    if not f:
        return EXACT_IDENTITY
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


def _products(
    junction: FoundJunction,
    found: Sequence[FoundJunction],
    products: Mapping[int, _Products],
    effective_lambda: float | None,
) -> _Products:
    """Return the products within the stage up to the sum of this junction."""
    if effective_lambda is None:
        return _Products(None, None)
    product, path = 1.0, 1.0
    if (before := _previous_in_stage(junction, found)) is not None:
        product, path = products[before]
        if _previous_in_stage(found[before], found) is None:
            # The first junction of a stage has no lambda if it changes the size: the products begin after it.
            product, path = 1.0 if product is None else product, 1.0 if path is None else path
    return _Products(
        None if product is None else product * effective_lambda,
        None if path is None else path * effective_lambda,
    )


def _previous_in_stage(junction: FoundJunction, found: Sequence[FoundJunction]) -> int | None:
    before = junction.previous
    return before if before is not None and found[before].stage == junction.stage else None


def _gradient_blocked(junction: FoundJunction, sums: JunctionSums[float]) -> float | None:
    takes_sum = junction.truncation is not None and junction.truncation.input is None
    passed = sums.sum_gradient if takes_sum else sums.activated_gradient
    share = _ratio(passed, sums.activation_gradient)
    return None if share is None else min(1.0, max(0.0, 1 - share))


def _headroom_bits(largest: float, peak: float) -> float | None:
    return math.log2(largest / peak) if math.isfinite(peak) and peak != 0 else None


def _ratio(a: float | None, b: float | None) -> float | None:
    """Return a / b, or None if either is missing or b is zero or NaN."""
    return None if a is None or b is None or b == 0 or math.isnan(b) else a / b


def _ratio_of_norms(a_squared: float | None, b_squared: float | None) -> float | None:
    """Return the ratio of two norms from their squares."""
    quotient = _ratio(a_squared, b_squared)
    return None if quotient is None else math.sqrt(quotient)
