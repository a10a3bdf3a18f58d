"""The paper's findings as claims, and verdicts on them."""

from resunit.reproduction.claims.findings import CLAIMS, Claim
from resunit.reproduction.claims.judging import judge
from resunit.reproduction.claims.verdict import Compared, Verdict

__all__ = ["CLAIMS", "Claim", "Compared", "Verdict", "judge"]
