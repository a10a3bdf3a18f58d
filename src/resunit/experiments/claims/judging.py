"""Verdicts: which findings held in the runs at hand."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

from resunit.experiments.claims.findings import CLAIMS, Claim, Comparison, Term, named
from resunit.experiments.claims.quantities import TEST_ERROR, TRAIN_LOSS, is_at_chance
from resunit.experiments.networks import Network, network_of
from resunit.experiments.statistics import Estimate, holm, welch

Outcome = Literal["held", "not held", "undecided"]
SEEDS = 3  # fewer say nothing about spread
SIGNIFICANT = 0.05
SETTING = ("data", "scale", "steps", "batch_size", "precision", "numerics")  # equal in what is compared
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Compared:
    """One comparison's answer: what the finding says is above zero, if it can be estimated."""

    words: str
    estimate: Estimate | None
    remark: str = ""


@dataclass(frozen=True)
class Verdict:
    """`p` is Holm's correction over all claims that could be tested; `setting` what the runs share."""

    claim: Claim
    outcome: Outcome
    compared: tuple[Compared, ...] = ()
    p: float | None = None
    seeds: int = 0
    setting: Mapping[str, Any] | None = None
    machine: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The outcome in words, with its numbers."""
        at_this_scale = " at this scale" if self.outcome == "undecided" else ""
        return f"{self.claim.finding}: {self.outcome}{at_this_scale}; {self.details}"

    @property
    def details(self) -> str:
        """The numbers behind the outcome, and what qualifies it."""
        parts = [self.reason]
        parts += [
            f"{compared.words} {in_words(compared.estimate)}{compared.remark}"
            for compared in self.compared
            if compared.estimate is not None
        ]
        if self.p is not None:
            parts.append(f"corrected p {self.p:.2g}")
        if self.claim.remark:
            parts.append(self.claim.remark)
        return "; ".join(filter(None, parts))

    @property
    def runs(self) -> str:
        """How many seeds, and what all of them have in common."""
        if self.setting is None:
            return ""
        about, plural = self.setting, "s" * (self.seeds > 1)
        return (
            f"{self.seeds} seed{plural}, {about['scale']}, {about['steps']:,} steps of "
            f"{about['batch_size']}, {about['precision']}, {self.machine}"
        )


def in_words(estimate: Estimate) -> str:
    return f"{estimate.value:+.3g} [{estimate.low:+.3g}, {estimate.high:+.3g}]"


def judge(records: Iterable[Record], claims: Iterable[Claim] = CLAIMS) -> list[Verdict]:
    """A verdict on every claim from the runs in `records` that ended.

    Runs are compared with runs of equal data, scale, steps, batch, precision and NUMERICS only; where several
    such settings have what a claim needs, the one with most seeds, then with most steps, decides.
    """
    settings: dict[tuple[Any, ...], dict[Any, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        if record["status"] in ("done", "diverged"):
            setting = tuple(record[name] for name in SETTING)
            settings[setting][network_of(record).key].append(record)
    verdicts = [_examined(claim, settings) for claim in claims]
    tested = {index: p for index, verdict in enumerate(verdicts) if (p := verdict.p) is not None}
    corrected = holm(tested)
    return [
        verdict if index not in corrected else _decided(verdict, corrected[index])
        for index, verdict in enumerate(verdicts)
    ]


def _examined(claim: Claim, settings: Mapping[tuple[Any, ...], Mapping[Any, list[Record]]]) -> Verdict:
    """The claim's comparisons, with the largest of their p-values uncorrected; not yet an outcome."""
    steps = SETTING.index("steps")
    complete = [
        (min(len(runs[network.key]) for network in claim.networks), setting[steps], setting)
        for setting, runs in settings.items()
        if all(network.key in runs for network in claim.networks)
    ]
    if not complete:
        missing = next(
            (
                network
                for network in claim.networks
                if not any(network.key in runs for runs in settings.values())
            ),
            None,
        )
        what = f"no run of {named(missing)}" if missing else "no setting in which all its networks were run"
        return Verdict(claim, "undecided", reason=f"{what}; `resunit reproduce {claim.runs}` runs them")
    seeds, _, setting = max(complete)
    runs = settings[setting]
    common: dict[str, Any] = {
        "seeds": seeds,
        "setting": dict(zip(SETTING, setting, strict=True)),
        "machine": ", ".join(sorted({r.get("machine", "") for n in claim.networks for r in runs[n.key]})),
    }
    if seeds < SEEDS:
        reason = f"a verdict needs {SEEDS} seeds"
        return Verdict(claim, "undecided", reason=reason, **common)
    if (surely := _by_divergence(claim, runs)) is not None:
        outcome, reason = surely
        return Verdict(claim, outcome, reason=reason, **common)
    compared = tuple(_compared(comparison, runs) for comparison in claim.comparisons)
    estimates = [each.estimate for each in compared if each.estimate is not None]
    if len(estimates) < len(compared):
        return Verdict(claim, "undecided", compared, reason="the runs do not vary or lack numbers", **common)
    if claim.stuck is not None and not all(is_at_chance(record) for record in runs[claim.stuck.key]):
        errors = [record["test_error"] for record in runs[claim.stuck.key] if record["status"] == "done"]
        learned = all(not is_at_chance(record) for record in runs[claim.stuck.key])
        reason = f"test errors {', '.join(f'{error:.1f}' for error in errors)} % in its seeds"
        return Verdict(claim, "not held" if learned else "undecided", compared, reason=reason, **common)
    return Verdict(claim, "undecided", compared, max(estimate.p for estimate in estimates), **common)


def _by_divergence(claim: Claim, runs: Mapping[Any, list[Record]]) -> tuple[Outcome, str] | None:
    """Diverged runs have no numbers: they decide a plain contrast if one side diverged in every seed."""
    diverged = {n.key: sum(record["status"] == "diverged" for record in runs[n.key]) for n in claim.networks}
    if not any(diverged.values()):
        return None
    first = claim.comparisons[0]
    if len(claim.comparisons) == 1 and len(first.terms) == 2:
        worse, better = (term.network.key for term in first.terms)
        if diverged[worse] == len(runs[worse]) and not diverged[better]:
            return "held", f"{named(first.terms[0].network)} diverged in every seed, which counts as worse"
        if diverged[better] == len(runs[better]) and not diverged[worse]:
            return "not held", f"{named(first.terms[1].network)} diverged in every seed"
    return "undecided", "some of its runs diverged, which leaves no mean to compare"


def _compared(comparison: Comparison, runs: Mapping[Any, list[Record]]) -> Compared:
    terms, remark = comparison.terms, ""
    networks = {term.network.key for term in terms}
    if all(term.quantity is TEST_ERROR for term in terms) and all(
        _near_chance(runs[key]) for key in networks
    ):
        terms = tuple(replace(term, quantity=TRAIN_LOSS) for term in terms)
        remark = " in training loss, since the errors tie at chance"
    merged: dict[tuple[Any, str], tuple[float, list[float]]] = {}
    for term, sign in zip(terms, _signs(comparison, terms, runs), strict=True):
        values = [
            value for record in runs[term.network.key] if (value := term.quantity.of(record)) is not None
        ]
        if len(values) < SEEDS:
            return Compared(comparison.words, None)
        key = (term.network.key, term.quantity.words)  # a network that occurs twice varies once
        merged[key] = (merged.get(key, (0.0, values))[0] + sign * term.coefficient, values)
    coefficients = [coefficient for coefficient, _ in merged.values()]
    return Compared(comparison.words, welch(coefficients, [values for _, values in merged.values()]), remark)


def _near_chance(records: list[Record]) -> bool:
    return all(is_at_chance(record) for record in records)


def _signs(comparison: Comparison, terms: tuple[Term, ...], runs: Mapping[Any, list[Record]]) -> list[float]:
    """Of distances: |a - b| is a - b or b - a, whichever is positive in the means."""
    if not comparison.distance:
        return [1.0] * len(terms)
    signs = []
    for first, second in zip(terms[::2], terms[1::2], strict=True):
        means = []
        for term in (first, second):
            values = [v for record in runs[term.network.key] if (v := term.quantity.of(record)) is not None]
            means.append(fmean(values) if values else math.nan)
        signs += [-1.0 if means[0] < means[1] else 1.0] * 2
    return signs


def _decided(verdict: Verdict, p: float) -> Verdict:
    """All comparisons above zero: held; one below, surely: not held; else this scale cannot tell."""
    estimates = [each.estimate for each in verdict.compared if each.estimate is not None]
    if p < SIGNIFICANT:
        outcome: Outcome = "held" if all(estimate.value > 0 for estimate in estimates) else "not held"
    else:
        surely_below = any(e.value < 0 and e.p * len(CLAIMS) < SIGNIFICANT for e in estimates)
        outcome = "not held" if surely_below else "undecided"
    return replace(verdict, outcome=outcome, p=p)


def networks_of_claims() -> list[Network]:
    """All networks that the claims compare."""
    found = [network for claim in CLAIMS for network in claim.networks]
    return list({network.key: network for network in found}.values())
