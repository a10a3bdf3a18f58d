"""The outcome of a claim: the verdict, the numbers that it rests on, and the sentence that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from resunit.reproduction.claims.claim import Claim, Contrast
from resunit.reproduction.claims.statistics import Estimate, difference_p, equivalence_p
from resunit.reproduction.experiments.setting import Setting

ClaimVerdict = Literal["held", "not held", "undecided"]

NEEDS_THE_END = "it needs training to the end, 64,000 steps in the paper: a short training cannot decide it"


class Tested(NamedTuple):
    """Whether an estimate says that its contrast holds, and the p-value of that answer."""

    holds: bool
    p: float


@dataclass(frozen=True)
class ContrastOutcome:
    """What the runs say about one contrast.

    Attributes:
        estimate: the contrast's sum; None if there is no number to compare.
        remark: what qualifies the estimate, or why there is none.
        margin: the margin that the sum is compared with; None if the comparison has none or the scale lacks it.
        known: whether the contrast holds, where that is known without an estimate.
        p: the p-value, corrected over all contrasts that could be tested.
    """

    contrast: Contrast
    estimate: Estimate | None
    remark: str = ""
    margin: float | None = None
    known: bool | None = None
    unit: str = ""
    p: float | None = None

    @property
    def tested(self) -> Tested | None:
        """The test in the direction of the estimate; None without an estimate or a margin that it needs."""
        estimate, margin = self.estimate, self.margin
        if estimate is None:
            return None
        if self.contrast.comparison == "above zero":
            return Tested(estimate.value > 0, estimate.p)
        if margin is None:
            return None
        if self.contrast.comparison == "below the margin":
            return Tested(estimate.value < margin, difference_p(estimate, margin))
        if abs(estimate.value) < margin:
            return Tested(True, equivalence_p(estimate, margin))
        return Tested(False, difference_p(estimate, margin if estimate.value > 0 else -margin))

    def to_json(self) -> dict[str, Any]:
        """Return the quantity, the comparison and the numbers as a JSON object."""
        estimate = self.estimate
        return {
            "contrast": self.contrast.description,
            "quantity": self.contrast.quantity.name,
            "comparison": self.contrast.comparison,
            "margin": self.margin,
            "value": None if estimate is None else estimate.value,
            "interval": None if estimate is None else [estimate.low, estimate.high],
            "unit": self.unit,
            "p": self.p,
            "remark": self.remark,
        }

    @property
    def sentence(self) -> str:
        """The contrast with its numbers."""
        description = self.contrast.description
        if self.estimate is None:
            return f"{description}: {self.remark}"
        sign = "" if self.contrast.comparison == "below the margin" else "±"
        margin = "" if self.margin is None else f", margin {sign}{self.margin:.3g} {self.unit}"
        corrected = "" if self.p is None else f", corrected p {self.p:.2g}"
        value, low, high = self.estimate.value, self.estimate.low, self.estimate.high
        numbers = f"{value:+.3g} [{low:+.3g}, {high:+.3g}]"
        return f"{description} {numbers} {self.unit}{self.remark}{margin}{corrected}"


@dataclass(frozen=True)
class ClaimOutcome:
    """What the runs say about a claim.

    Attributes:
        compared: the outcomes of the claim's contrasts.
        reported: the outcomes of contrasts that are shown and do not decide.
        seeds: the number of seeds of the network that has the fewest.
        settings: the setting of the runs, by model where each model has a setting of its own, else under "".
        machine: the machines that the runs were made on.
        reason: what decided the verdict before any comparison, or why there is none.
    """

    claim: Claim
    verdict: ClaimVerdict
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
    def has_its_margins(self) -> bool:
        """Whether the scale has every margin that the claim's contrasts need."""
        return all(
            contrast.margin is not None or not contrast.contrast.needs_margin or contrast.estimate is None
            for contrast in self.compared
        )

    @property
    def sentence(self) -> str:
        """The claim, the verdict and its numbers."""
        at_this_scale = " at this scale" if self.verdict == "undecided" else ""
        return f"{self.claim.sentence}: {self.verdict}{at_this_scale}; {self.numbers}"

    @property
    def numbers(self) -> str:
        """The numbers that the verdict rests on, and what qualifies it."""
        parts = [self.reason, *(contrast.sentence for contrast in self.compared)]
        parts += [f"not part of the verdict: {contrast.sentence}" for contrast in self.reported]
        if self.claim.needs_the_end:
            parts.append(NEEDS_THE_END)
        return "; ".join(filter(None, parts))

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

    def to_json(self) -> dict[str, Any]:
        """Return the claim, the verdict and its numbers as a JSON object."""
        return {
            "id": self.claim.id,
            "claim": self.claim.sentence,
            "section": self.claim.section,
            "verdict": self.verdict,
            "p": self.p,
            "seeds": self.seeds,
            "needs_the_end": self.claim.needs_the_end,
            "contrasts": [contrast.to_json() for contrast in self.compared],
            "numbers": self.numbers,
            "runs": self.runs,
        }
