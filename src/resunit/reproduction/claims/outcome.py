"""The outcome of a claim: the verdict, the numbers that it rests on, and the sentence that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from resunit.reproduction.claims.claims import Claim
from resunit.reproduction.setting import Setting
from resunit.reproduction.statistics import Estimate

Verdict = Literal["held", "not held", "undecided"]


@dataclass(frozen=True)
class ContrastOutcome:
    """What the runs say about one contrast.

    Attributes:
        description: the contrast in words.
        estimate: the contrast's sum; None if there is no number to compare.
        remark: what qualifies the estimate, or why there is none.
        is_above_zero: whether the contrast holds, where that is known without an estimate.
        unit: the unit of the estimate.
        p: the p-value, corrected over all contrasts that could be tested.
    """

    description: str
    estimate: Estimate | None
    remark: str = ""
    is_above_zero: bool | None = None
    unit: str = ""
    p: float | None = None

    @property
    def sentence(self) -> str:
        """The contrast with its numbers."""
        if self.estimate is None:
            return f"{self.description}: {self.remark}"
        corrected = "" if self.p is None else f", corrected p {self.p:.2g}"
        numbers = describe_estimate(self.estimate)
        return f"{self.description} {numbers} {self.unit}{self.remark}{corrected}"


@dataclass(frozen=True)
class ClaimOutcome:
    """What the runs say about a claim.

    Attributes:
        claim: the claim.
        verdict: held, not held or undecided.
        compared: the outcomes of the claim's contrasts.
        reported: the outcomes of contrasts that are shown and do not count.
        seeds: the number of seeds of the network that has the fewest.
        settings: the setting of the runs, by model where each model has a setting of its own, else under "".
        machine: the machines that the runs were made on.
        reason: what decided the verdict before any comparison, or why there is none.
    """

    claim: Claim
    verdict: Verdict
    compared: tuple[ContrastOutcome, ...] = ()
    reported: tuple[ContrastOutcome, ...] = ()
    seeds: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    machine: str = ""
    reason: str = ""

    @property
    def p(self) -> float | None:
        """The largest corrected p-value of the claim's contrasts."""
        return max((contrast.p for contrast in self.compared if contrast.p is not None), default=None)

    @property
    def sentence(self) -> str:
        """The claim, the verdict and its numbers."""
        at_this_scale = " at this scale" if self.verdict == "undecided" else ""
        return f"{self.claim.statement}: {self.verdict}{at_this_scale}; {self.numbers}"

    @property
    def numbers(self) -> str:
        """The numbers that the verdict rests on, and what qualifies it."""
        parts = [self.reason, *(contrast.sentence for contrast in self.compared)]
        parts += [f"not part of the verdict: {contrast.sentence}" for contrast in self.reported]
        return "; ".join(filter(None, [*parts, self.claim.remark]))

    @property
    def runs(self) -> str:
        """The number of seeds, and what all runs have in common."""
        if not self.settings:
            return ""
        trained = {model: setting.description for model, setting in self.settings.items()}
        if len(set(trained.values())) == 1:
            description = next(iter(trained.values()))
        else:
            description = " and ".join(f"{setting} ({model})" for model, setting in trained.items())
        scale = next(iter(self.settings.values())).scale
        return f"{self.seeds} seed{'s' * (self.seeds > 1)}, {scale}, {description}, {self.machine}"


def describe_estimate(estimate: Estimate) -> str:
    """Return an estimate with its interval: "+1.5 [+0.5, +2.5]"."""
    return f"{estimate.value:+.3g} [{estimate.low:+.3g}, {estimate.high:+.3g}]"
