"""The paper's findings as claims, and verdicts on them."""

from resunit.experiments.claims.findings import CLAIMS, Claim
from resunit.experiments.claims.judging import Compared, Verdict, in_words, judge, networks_of_claims

__all__ = ["CLAIMS", "Claim", "Compared", "Verdict", "in_words", "judge", "networks_of_claims"]
