"""Verdicts: which findings held in the runs at hand."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from resunit.reproduction.claims.choosing import SEEDS, Record, Runs, by_setting, choose, missing
from resunit.reproduction.claims.findings import CLAIMS, Claim, Contrast, Term, named
from resunit.reproduction.claims.quantities import TEST_ERROR, TRAIN_LOSS, is_at_chance
from resunit.reproduction.claims.verdict import Compared, Outcome, Verdict
from resunit.reproduction.networks import Network
from resunit.reproduction.setting import Setting
from resunit.reproduction.statistics import holm, welch

SIGNIFICANT = 0.05


def judge(records: Iterable[Record], claims: Iterable[Claim] = CLAIMS) -> list[Verdict]:
    """A verdict on every claim from the runs in `records` that ended.

    Only runs of one setting are compared (`choosing.choose` says which), and all p-values are corrected
    together: one for each contrast of a claim.
    """
    settings = by_setting(records)
    examined = [_examined(claim, settings) for claim in claims]
    corrected = holm(
        {
            (place, number): compared.estimate.p
            for place, (verdict, is_final) in enumerate(examined)
            if not is_final
            for number, compared in enumerate(verdict.compared)
            if compared.estimate is not None
        }
    )
    return [
        verdict
        if is_final
        else _decided(verdict, {n: p for (place_of_p, n), p in corrected.items() if place_of_p == place})
        for place, (verdict, is_final) in enumerate(examined)
    ]


class Examined(NamedTuple):
    """A verdict that is final, or one whose outcome its contrasts still have to decide."""

    verdict: Verdict
    is_final: bool


def _examined(claim: Claim, settings: Mapping[Setting, Runs]) -> Examined:
    chosen = choose(claim, settings)
    if chosen is None:
        return Examined(Verdict(claim, "undecided", reason=missing(claim, settings)), is_final=True)
    runs = chosen.runs
    common: dict[str, Any] = {
        "seeds": chosen.seeds,
        "settings": chosen.settings,
        "machine": chosen.machine,
    }
    if chosen.seeds < SEEDS:
        too_few = Verdict(claim, "undecided", reason=f"a verdict needs {SEEDS} seeds", **common)
        return Examined(too_few, is_final=True)
    compared = tuple(_compared(contrast, runs) for contrast in claim.contrasts)
    reported = tuple(_compared(contrast, runs) for contrast in claim.reported)
    settled = _by_convergence(claim, runs)
    outcome, reason = settled or ("undecided", "")
    verdict = Verdict(claim, outcome, compared, reported, reason=reason, **common)
    return Examined(verdict, is_final=settled is not None)


def _by_convergence(claim: Claim, runs: Runs) -> tuple[Outcome, str] | None:
    """Outcome and reason where networks that learned, or did not, settle the claim before any comparison."""
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


def _learned(network: Network, runs: Runs) -> list[bool]:
    return [not is_at_chance(record) for record in runs[network.key]]


def _errors(network: Network, runs: Runs) -> str:
    records = runs[network.key]
    errors = ", ".join(f"{r['test_error']:.1f} %" if r["status"] == "done" else "diverged" for r in records)
    stuck = _learned(network, runs).count(False)
    return f"test errors of {named(network)} {errors}, at chance in {stuck} of {len(records)} seeds"


def _compared(contrast: Contrast, runs: Runs) -> Compared:
    """The estimate of the contrast's sum, from what each run adds to it."""
    terms, remark = contrast.terms, ""
    networks = {term.network.key for term in terms}
    if any(record["status"] == "diverged" for key in networks for record in runs[key]):
        return _by_divergence(contrast, runs)
    if all(term.quantity is TEST_ERROR for term in terms) and all(
        is_at_chance(record) for key in networks for record in runs[key]
    ):
        terms = tuple(replace(term, quantity=TRAIN_LOSS) for term in terms)
        remark = " in training loss, since the errors tie at chance"
    # Terms of one network vary together, seed by seed: they are one sample.
    sums: dict[Any, list[float]] = {key: [0.0] * len(runs[key]) for key in networks}
    for term, sign in zip(terms, _signs(contrast, terms, runs), strict=True):
        values = [term.quantity.of(record) for record in runs[term.network.key]]
        if None in values:
            return Compared(contrast.words, None, f"no {term.quantity.words} in some of the runs")
        so_far = sums[term.network.key]
        so_far[:] = [
            total + sign * term.coefficient * value
            for total, value in zip(so_far, values, strict=True)
            if value is not None
        ]
    estimate = welch([1.0] * len(sums), list(sums.values()))
    if estimate is None:
        return Compared(contrast.words, None, "the runs do not vary")
    return Compared(contrast.words, estimate, remark, unit=terms[0].quantity.unit)


def _by_divergence(contrast: Contrast, runs: Runs) -> Compared:
    """Diverging in every seed is the worst of test errors. Nothing else has a number to compare."""
    diverged = {
        term.network.key: [record["status"] == "diverged" for record in runs[term.network.key]]
        for term in contrast.terms
    }
    if len(contrast.terms) == len(diverged) == 2 and contrast.terms[0].quantity is TEST_ERROR:
        for term, other in (contrast.terms, contrast.terms[::-1]):
            if all(diverged[term.network.key]) and not any(diverged[other.network.key]):
                remark = f"{named(term.network)} diverged in every seed, which counts as worse"
                return Compared(contrast.words, None, remark, above=term.coefficient > 0)
    return Compared(contrast.words, None, "some of its runs diverged, which leaves no mean to compare")


def _signs(contrast: Contrast, terms: tuple[Term, ...], runs: Runs) -> list[float]:
    """Of distances: |a - b| is a - b or b - a, whichever is positive in the means."""
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


def _decided(verdict: Verdict, corrected: Mapping[int, float]) -> Verdict:
    """All contrasts surely above zero: held; one surely below: not held; else this scale cannot tell."""
    above: list[bool | None] = []
    for number, compared in enumerate(verdict.compared):
        if compared.estimate is None:
            above.append(compared.above)
        else:
            above.append(compared.estimate.value > 0 if corrected[number] < SIGNIFICANT else None)
    outcome: Outcome = "held" if all(above) else "not held" if False in above else "undecided"
    compared = tuple(replace(one, p=corrected.get(n)) for n, one in enumerate(verdict.compared))
    return replace(verdict, outcome=outcome, compared=compared)
