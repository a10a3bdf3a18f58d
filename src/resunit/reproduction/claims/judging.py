"""Verdicts: which claims held in the recorded runs."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from resunit.reproduction.claims.catalogue import CLAIMS
from resunit.reproduction.claims.choosing import (
    SEEDS_FOR_A_VERDICT,
    RunsByNetwork,
    by_setting,
    choose,
    explain_missing_runs,
)
from resunit.reproduction.claims.claim import Claim, Contrast, describe_network
from resunit.reproduction.claims.margins import MARGINS, Margins
from resunit.reproduction.claims.outcome import ClaimOutcome, ClaimVerdict, ContrastOutcome
from resunit.reproduction.claims.quantities import TEST_ERROR, TRAIN_ERROR, TRAIN_LOSS, is_at_chance
from resunit.reproduction.claims.statistics import holm, welch
from resunit.reproduction.experiments.setting import Setting
from resunit.reproduction.paper.networks import NetworkChoice, NetworkKey
from resunit.runs.schema import ExperimentRecord

SIGNIFICANCE_LEVEL = 0.05


def judge_claims(
    records: Iterable[ExperimentRecord],
    claims: Iterable[Claim] = CLAIMS,
    margins: Mapping[str, Margins] = MARGINS,
) -> list[ClaimOutcome]:
    """Return the outcome of every claim, from the runs in `records` that ended.

    Only runs of one setting are compared; `choosing.choose` says which. Runs that were judged on held-out training
    images decide nothing, because settings and margins are chosen by them. All p-values are corrected together,
    one for each contrast of a claim.

    Args:
        records: records of runs.
        claims: the claims.
        margins: the margins of similarity, by scale. A claim that needs one is undecided at other scales.
    """
    settings = by_setting(record for record in records if record.split != "validation")
    examined = [_examine(claim, settings, margins) for claim in claims]
    corrected = holm(
        {
            (place, number): contrast.tested.p
            for place, (outcome, is_final) in enumerate(examined)
            if not is_final
            for number, contrast in enumerate(outcome.compared)
            if contrast.tested is not None
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


def _examine(
    claim: Claim, settings: Mapping[Setting, RunsByNetwork], margins: Mapping[str, Margins]
) -> Examined:
    chosen = choose(claim, settings)
    if chosen is None:
        reason = explain_missing_runs(claim, settings)
        return Examined(ClaimOutcome(claim, "undecided", reason=reason), is_final=True)
    outcome = ClaimOutcome(
        claim, "undecided", seeds=chosen.seeds, settings=chosen.settings, machine=chosen.machine
    )
    if chosen.seeds < SEEDS_FOR_A_VERDICT:
        reason = f"a verdict needs {SEEDS_FOR_A_VERDICT} seeds"
        return Examined(replace(outcome, reason=reason), is_final=True)
    runs, scale = chosen.runs, next(iter(chosen.settings.values())).scale
    of_scale = margins.get(scale)
    outcome = replace(
        outcome,
        compared=tuple(_compare(contrast, runs, of_scale) for contrast in claim.contrasts),
        reported=tuple(_compare(contrast, runs, of_scale) for contrast in claim.reported),
    )
    settled = _by_convergence(claim, runs)
    if settled is not None:
        verdict, reason = settled
        return Examined(replace(outcome, verdict=verdict, reason=reason), is_final=True)
    if of_scale is None and any(contrast.needs_margin for contrast in claim.contrasts):
        reason = f"the scale {scale} has no margin, without which nothing is similar"
        return Examined(replace(outcome, reason=reason), is_final=True)
    return Examined(outcome, is_final=False)


def _by_convergence(claim: Claim, runs: RunsByNetwork) -> tuple[ClaimVerdict, str] | None:
    """Return verdict and reason if the claim is settled by which networks learned; else None."""
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


def _compare(contrast: Contrast, runs: RunsByNetwork, margins: Margins | None) -> ContrastOutcome:
    """Return the estimate of the contrast's sum, from the contribution of each run."""
    terms, remark = contrast.terms, ""
    networks = {term.network.key for term in terms}
    if any(record.status == "diverged" for key in networks for record in runs[key]):
        return _by_divergence(contrast, runs)
    has_tied = all(is_at_chance(record) for key in networks for record in runs[key])
    if has_tied and not contrast.needs_margin and all(term.quantity is TEST_ERROR for term in terms):
        terms = tuple(replace(term, quantity=TRAIN_LOSS) for term in terms)
        remark = " in training loss, since the errors tie at chance"
    # Terms of one network vary together, seed by seed: they are one sample.
    sums: dict[NetworkKey, list[float]] = {key: [0.0] * len(runs[key]) for key in networks}
    for term in terms:
        values = [term.quantity.of(record) for record in runs[term.network.key]]
        if None in values:
            return ContrastOutcome(contrast, None, f"no {term.quantity.name} in some of the runs")
        so_far = sums[term.network.key]
        so_far[:] = [
            total + term.coefficient * value
            for total, value in zip(so_far, values, strict=True)
            if value is not None
        ]
    estimate = welch([1.0] * len(sums), list(sums.values()))
    if estimate is None:
        return ContrastOutcome(contrast, None, "the runs do not vary")
    margin = margins.of(contrast.quantity) if margins is not None and contrast.needs_margin else None
    return ContrastOutcome(contrast, estimate, remark, margin, unit=terms[0].quantity.unit)


def _by_divergence(contrast: Contrast, runs: RunsByNetwork) -> ContrastOutcome:
    """Return the outcome of a contrast in which runs diverged, which have no number to compare.

    A network that diverged in every seed has the worst of errors: it is worse than another that did not
    diverge, and similar to none that learned.
    """
    terms = contrast.terms
    if len(terms) == 2 and all(term.quantity in (TEST_ERROR, TRAIN_ERROR) for term in terms):
        for term, other in (terms, terms[::-1]):
            if not _has_lost(term.network, other.network, runs):
                continue
            if contrast.needs_margin and not any(_learned(other.network, runs)):
                continue
            remark = f"{describe_network(term.network)} diverged in every seed, which counts as worse"
            known = {
                "above zero": term is terms[0],
                "within the margin": False,
                "below the margin": term is not terms[0],
            }
            return ContrastOutcome(contrast, None, remark, known=known[contrast.comparison])
    return ContrastOutcome(contrast, None, "some of its runs diverged, which leaves no mean to compare")


def _has_lost(network: NetworkChoice, other: NetworkChoice, runs: RunsByNetwork) -> bool:
    """Return whether a network diverged in every seed, and another one in none."""
    lost, kept = ([r.status == "diverged" for r in runs[each.key]] for each in (network, other))
    return all(lost) and not any(kept)


def _decide(outcome: ClaimOutcome, corrected: Mapping[int, float]) -> ClaimOutcome:
    """Return the outcome with its verdict, from the corrected p-values by the place of the contrast.

    The claim held if all contrasts surely hold, and did not hold if one of them surely fails.
    """
    held: list[bool | None] = []
    for number, contrast in enumerate(outcome.compared):
        if contrast.tested is None:
            held.append(contrast.known)
        else:
            held.append(contrast.tested.holds if corrected[number] < SIGNIFICANCE_LEVEL else None)
    verdict: ClaimVerdict = "held" if all(held) else "not held" if False in held else "undecided"
    compared = tuple(replace(contrast, p=corrected.get(n)) for n, contrast in enumerate(outcome.compared))
    return replace(outcome, verdict=verdict, compared=compared)
