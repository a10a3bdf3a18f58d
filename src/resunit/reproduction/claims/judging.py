"""Verdicts: which claims held in the runs at hand."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import NamedTuple

from resunit.reproduction.claims.choosing import (
    SEEDS_FOR_A_VERDICT,
    RunsByNetwork,
    by_setting,
    choose,
    describe_missing,
)
from resunit.reproduction.claims.claims import CLAIMS, Claim, Contrast, WeightedMean, describe_network
from resunit.reproduction.claims.outcome import ClaimOutcome, ContrastOutcome, Verdict
from resunit.reproduction.claims.quantities import TEST_ERROR, TRAIN_LOSS, is_at_chance
from resunit.reproduction.networks import NetworkChoice, NetworkKey
from resunit.reproduction.setting import Setting
from resunit.reproduction.statistics import holm, welch
from resunit.runs.schema import ExperimentRecord

SIGNIFICANCE_LEVEL = 0.05


def judge(records: Iterable[ExperimentRecord], claims: Iterable[Claim] = CLAIMS) -> list[ClaimOutcome]:
    """Return the outcome of every claim, from the runs in `records` that ended.

    Only runs of one setting are compared; `choosing.choose` says which. All p-values are corrected together,
    one for each contrast of a claim.
    """
    settings = by_setting(records)
    examined = [_examine(claim, settings) for claim in claims]
    corrected = holm(
        {
            (place, number): contrast.estimate.p
            for place, (outcome, is_final) in enumerate(examined)
            if not is_final
            for number, contrast in enumerate(outcome.compared)
            if contrast.estimate is not None
        }
    )
    return [
        outcome
        if is_final
        else _decide(outcome, {n: p for (place_of_p, n), p in corrected.items() if place_of_p == place})
        for place, (outcome, is_final) in enumerate(examined)
    ]


class Examined(NamedTuple):
    """An outcome, and whether its verdict is final or still has to be decided by its contrasts."""

    outcome: ClaimOutcome
    is_final: bool


def _examine(claim: Claim, settings: Mapping[Setting, RunsByNetwork]) -> Examined:
    chosen = choose(claim, settings)
    if chosen is None:
        reason = describe_missing(claim, settings)
        return Examined(ClaimOutcome(claim, "undecided", reason=reason), is_final=True)
    outcome = ClaimOutcome(
        claim, "undecided", seeds=chosen.seeds, settings=chosen.settings, machine=chosen.machine
    )
    if chosen.seeds < SEEDS_FOR_A_VERDICT:
        reason = f"a verdict needs {SEEDS_FOR_A_VERDICT} seeds"
        return Examined(replace(outcome, reason=reason), is_final=True)
    runs = chosen.runs
    outcome = replace(
        outcome,
        compared=tuple(_compare(contrast, runs) for contrast in claim.contrasts),
        reported=tuple(_compare(contrast, runs) for contrast in claim.reported),
    )
    settled = _by_convergence(claim, runs)
    if settled is None:
        return Examined(outcome, is_final=False)
    verdict, reason = settled
    return Examined(replace(outcome, verdict=verdict, reason=reason), is_final=True)


def _by_convergence(claim: Claim, runs: RunsByNetwork) -> tuple[Verdict, str] | None:
    """Return verdict and reason if networks that learned, or did not, settle the claim; else None."""
    for network in claim.stuck:
        if any(learned := _learned(network, runs)):
            return "not held" if all(learned) else "undecided", _errors(network, runs)
    for network in claim.learns:
        if not all(learned := _learned(network, runs)):
            return "undecided" if any(learned) else "not held", _errors(network, runs)
    for network in claim.where:
        if not all(_learned(network, runs)):
            return "undecided", _errors(network, runs)
    return None


def _learned(network: NetworkChoice, runs: RunsByNetwork) -> list[bool]:
    return [not is_at_chance(record) for record in runs[network.key]]


def _errors(network: NetworkChoice, runs: RunsByNetwork) -> str:
    records = runs[network.key]
    errors = ", ".join("diverged" if r.test_error is None else f"{r.test_error:.1f} %" for r in records)
    stuck = _learned(network, runs).count(False)
    return (
        f"test errors of {describe_network(network)} {errors}, at chance in {stuck} of {len(records)} seeds"
    )


def _compare(contrast: Contrast, runs: RunsByNetwork) -> ContrastOutcome:
    """Return the estimate of the contrast's sum, from what each run adds to it."""
    terms, remark = contrast.terms, ""
    networks = {term.network.key for term in terms}
    if any(record.status == "diverged" for key in networks for record in runs[key]):
        return _by_divergence(contrast, runs)
    if all(term.quantity is TEST_ERROR for term in terms) and all(
        is_at_chance(record) for key in networks for record in runs[key]
    ):
        terms = tuple(replace(term, quantity=TRAIN_LOSS) for term in terms)
        remark = " in training loss, since the errors tie at chance"
    # Terms of one network vary together, seed by seed: they are one sample.
    sums: dict[NetworkKey, list[float]] = {key: [0.0] * len(runs[key]) for key in networks}
    for term, sign in zip(terms, _signs(contrast, terms, runs), strict=True):
        values = [term.quantity.of(record) for record in runs[term.network.key]]
        if None in values:
            return ContrastOutcome(contrast.description, None, f"no {term.quantity.name} in some of the runs")
        so_far = sums[term.network.key]
        so_far[:] = [
            total + sign * term.coefficient * value
            for total, value in zip(so_far, values, strict=True)
            if value is not None
        ]
    estimate = welch([1.0] * len(sums), list(sums.values()))
    if estimate is None:
        return ContrastOutcome(contrast.description, None, "the runs do not vary")
    return ContrastOutcome(contrast.description, estimate, remark, unit=terms[0].quantity.unit)


def _by_divergence(contrast: Contrast, runs: RunsByNetwork) -> ContrastOutcome:
    """Return the outcome of a contrast with diverged runs, which have no number to compare.

    A network that diverged in every seed has the worst of test errors.
    """
    diverged = {
        term.network.key: [record.status == "diverged" for record in runs[term.network.key]]
        for term in contrast.terms
    }
    if len(contrast.terms) == len(diverged) == 2 and contrast.terms[0].quantity is TEST_ERROR:
        for term, other in (contrast.terms, contrast.terms[::-1]):
            if all(diverged[term.network.key]) and not any(diverged[other.network.key]):
                remark = f"{describe_network(term.network)} diverged in every seed, which counts as worse"
                return ContrastOutcome(contrast.description, None, remark, is_above_zero=term.coefficient > 0)
    return ContrastOutcome(
        contrast.description, None, "some of its runs diverged, which leaves no mean to compare"
    )


def _signs(contrast: Contrast, terms: tuple[WeightedMean, ...], runs: RunsByNetwork) -> list[float]:
    """Return the sign of each term; a distance |a - b| is a - b or b - a, whichever is positive in the means."""
    if not contrast.distance:
        return [1.0] * len(terms)
    signs = []
    for first, second in zip(terms[::2], terms[1::2], strict=True):
        means = []
        for term in (first, second):
            values = [v for record in runs[term.network.key] if (v := term.quantity.of(record)) is not None]
            means.append(fmean(values) if values else math.nan)
        signs += [-1.0 if means[0] < means[1] else 1.0] * 2
    return signs


def _decide(outcome: ClaimOutcome, corrected: Mapping[int, float]) -> ClaimOutcome:
    """Return the outcome with its verdict, from the corrected p-values by the place of the contrast.

    The claim held if all contrasts are surely above zero, and did not if one is surely below.
    """
    above: list[bool | None] = []
    for number, contrast in enumerate(outcome.compared):
        if contrast.estimate is None:
            above.append(contrast.is_above_zero)
        else:
            is_sure = corrected[number] < SIGNIFICANCE_LEVEL
            above.append(contrast.estimate.value > 0 if is_sure else None)
    verdict: Verdict = "held" if all(above) else "not held" if False in above else "undecided"
    compared = tuple(replace(contrast, p=corrected.get(n)) for n, contrast in enumerate(outcome.compared))
    return replace(outcome, verdict=verdict, compared=compared)
