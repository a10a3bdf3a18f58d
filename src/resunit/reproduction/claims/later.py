"""Designs later than the paper, compared with its units (a) and (e). These comparisons are no claims of the paper."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from resunit.reproduction.claims.claim import Claim, higher
from resunit.reproduction.claims.judging import judge_claims
from resunit.reproduction.claims.outcome import ClaimOutcome, ClaimVerdict
from resunit.reproduction.paper.rows import LATER_DESIGNS, LATER_REFERENCES, Row
from resunit.runs.schema import ExperimentRecord

LaterVerdict = Literal["better", "worse", "undecided"]

VERDICTS: Mapping[ClaimVerdict, LaterVerdict] = {
    "held": "better",
    "not held": "worse",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class LaterOutcome:
    """What the runs say about a later design beside a unit of the paper.

    Attributes:
        design: the row of the later design.
        reference: the row of the unit of the paper.
        outcome: the outcome of the statement that the later design has the lower test error.
    """

    design: Row
    reference: Row
    outcome: ClaimOutcome

    @property
    def verdict(self) -> LaterVerdict:
        """Whether the later design has the lower test error (better) or the higher one (worse)."""
        return VERDICTS[self.outcome.verdict]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict and its numbers as a JSON object; a value above zero is what the design gains."""
        (contrast,) = self.outcome.compared or (None,)
        numbers = None if contrast is None else contrast.to_json()
        return {
            "design": self.design.id,
            "reference": self.reference.id,
            "verdict": self.verdict,
            **{name: numbers and numbers[name] for name in ("value", "interval", "unit", "p")},
            "seeds": self.outcome.seeds,
            "numbers": self.outcome.numbers,
            "runs": self.outcome.runs,
        }


def judge_later(records: Iterable[ExperimentRecord]) -> list[LaterOutcome]:
    """Return the outcome of every later design beside each unit of the paper, from the runs that ended.

    Each is judged as a claim is, with the same rules on seeds and settings. All p-values are corrected together,
    apart from those of the claims.
    """
    pairs = list(product(LATER_DESIGNS, LATER_REFERENCES))
    statements = [_has_the_lower_error(*pair) for pair in pairs]
    return [
        LaterOutcome(*pair, outcome)
        for pair, outcome in zip(pairs, judge_claims(records, statements), strict=True)
    ]


def _has_the_lower_error(design: Row, reference: Row) -> Claim:
    return Claim(
        f"{design.id}-beside-{reference.id}",
        f"{design.label} beside {reference.label}",
        design.remark,
        (higher(reference.own_network, design.own_network),),
        "later",
    )
