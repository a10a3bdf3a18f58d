"""The paper's findings as claims, and verdicts on them."""

from resunit.experiments.claims.findings import CLAIMS, Claim
from resunit.experiments.claims.judging import judge
from resunit.experiments.claims.verdict import Compared, Verdict

__all__ = ["CLAIMS", "Claim", "Compared", "Verdict", "judge"]
