"""The paper's claims, and verdicts on them."""

from resunit.reproduction.claims.catalogue import CLAIMS
from resunit.reproduction.claims.claim import Claim
from resunit.reproduction.claims.judging import judge_claims
from resunit.reproduction.claims.outcome import ClaimOutcome, ClaimVerdict, ContrastOutcome

__all__ = ["CLAIMS", "Claim", "ClaimOutcome", "ClaimVerdict", "ContrastOutcome", "judge_claims"]
