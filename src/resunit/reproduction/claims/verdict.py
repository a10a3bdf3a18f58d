"""What came of a claim, and its words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from resunit.reproduction.claims.findings import Claim
from resunit.reproduction.setting import Setting
from resunit.reproduction.statistics import Estimate

Outcome = Literal["held", "not held", "undecided"]


@dataclass(frozen=True)
class Compared:
    """One contrast's answer: what the finding says is above zero.

    The estimate is in `unit`; `p` is corrected over all contrasts that could be tested. Without an estimate
    `remark` says why, and `above` decides where that alone is enough.
    """

    words: str
    estimate: Estimate | None
    remark: str = ""
    above: bool | None = None
    unit: str = ""
    p: float | None = None

    @property
    def sentence(self) -> str:
        if self.estimate is None:
            return f"{self.words}: {self.remark}"
        corrected = "" if self.p is None else f", corrected p {self.p:.2g}"
        return f"{self.words} {in_words(self.estimate)} {self.unit}{self.remark}{corrected}"


@dataclass(frozen=True)
class Verdict:
    """`settings` has the setting of the runs by model where each model has its own, else one under ""."""

    claim: Claim
    outcome: Outcome
    compared: tuple[Compared, ...] = ()
    reported: tuple[Compared, ...] = ()
    seeds: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)
    machine: str = ""
    reason: str = ""

    @property
    def p(self) -> float | None:
        """The largest of its contrasts'."""
        return max((compared.p for compared in self.compared if compared.p is not None), default=None)

    @property
    def sentence(self) -> str:
        """The outcome in words, with its numbers."""
        at_this_scale = " at this scale" if self.outcome == "undecided" else ""
        return f"{self.claim.finding}: {self.outcome}{at_this_scale}; {self.details}"

    @property
    def details(self) -> str:
        """The numbers behind the outcome, and what qualifies it."""
        parts = [self.reason, *(compared.sentence for compared in self.compared)]
        parts += [f"not part of the verdict: {compared.sentence}" for compared in self.reported]
        return "; ".join(filter(None, [*parts, self.claim.remark]))

    @property
    def runs(self) -> str:
        """How many seeds, and what all of them have in common."""
        if not self.settings:
            return ""
        words = {model: setting.words for model, setting in self.settings.items()}
        if len(set(words.values())) == 1:
            trained = next(iter(words.values()))
        else:
            trained = " and ".join(f"{said} ({model})" for model, said in words.items())
        scale = next(iter(self.settings.values())).scale
        return f"{self.seeds} seed{'s' * (self.seeds > 1)}, {scale}, {trained}, {self.machine}"


def in_words(estimate: Estimate) -> str:
    return f"{estimate.value:+.3g} [{estimate.low:+.3g}, {estimate.high:+.3g}]"
