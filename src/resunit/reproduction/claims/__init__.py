"""The paper's claims, and verdicts on them."""

from resunit.reproduction.claims.catalogue import CLAIMS
from resunit.reproduction.claims.claim import Claim
from resunit.reproduction.claims.judging import judge
from resunit.reproduction.claims.outcome import ClaimOutcome, ContrastOutcome, Verdict

__all__ = ["CLAIMS", "Claim", "ClaimOutcome", "ContrastOutcome", "Verdict", "judge"]
