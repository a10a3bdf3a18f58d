"""All claims of the paper that runs decide, in the paper's order."""

from resunit.reproduction.claims import analysis, placements, shortcuts
from resunit.reproduction.claims.claim import Claim

CLAIMS: tuple[Claim, ...] = (*shortcuts.CLAIMS, *placements.CLAIMS, *analysis.CLAIMS)
