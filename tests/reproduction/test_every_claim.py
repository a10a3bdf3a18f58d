"""Every claim can be held, not held and undecided; runs for each are made from the claim itself."""

from typing import Any

import pytest

from resunit.reproduction.claims import CLAIMS, Claim, ClaimVerdict, judge_claims
from resunit.reproduction.claims.margins import Margins
from resunit.reproduction.claims.quantities import (
    EARLY_ERROR,
    EARLY_TRUNCATION,
    GROWTH,
    LATE_TRUNCATION,
    TEST_ERROR,
    TRAIN_ERROR,
    TRAIN_LOSS,
)
from resunit.reproduction.paper.networks import NetworkKey
from resunit.runs.schema import ExperimentRecord
from tests.reproduction.made_up_runs import MARGINS, runs

# What the runs of a claim are told to have, by the quantity of a contrast: the argument of `runs`, where it
# begins, and how far a network is moved for each coefficient of a contrast.
TOLD = {
    TEST_ERROR.name: ("error", 50.0, 5.0),
    TRAIN_ERROR.name: ("train_error", 40.0, 5.0),
    TRAIN_LOSS.name: ("loss", 1.0, 0.3),
    EARLY_ERROR.name: ("early", 70.0, 5.0),
    GROWTH.name: ("growth", 2.0, 1.0),
    EARLY_TRUNCATION.name: ("early_share", 0.5, 0.1),
    LATE_TRUNCATION.name: ("late_share", 0.5, 0.1),
}
# How the contrasts lie, and what the error is of networks that must be stuck.
MADE: dict[ClaimVerdict, tuple[float, float, float]] = {
    "held": (1.0, 0.0, 90.0),
    "not held": (-1.0, 5.0, 60.0),
    "undecided": (0.0, 1.0, 88.05),  # Two networks then differ by the margin, 2 points.
}


def made_for(claim: Claim, verdict: ClaimVerdict) -> list[ExperimentRecord]:
    """Return runs of a claim's networks with which it comes out like this."""
    direction, difference, stuck = MADE[verdict]
    told: dict[NetworkKey, dict[str, Any]] = {n.key: {"error": 50.0} for n in claim.networks}
    for contrast in claim.contrasts:
        for term in contrast.terms:
            name, begin, reach = TOLD[term.quantity.name]
            move = difference if contrast.needs_margin else direction * reach
            numbers = told[term.network.key]
            numbers[name] = numbers.get(name, begin) + term.coefficient * move
    for each in claim.stuck:
        told[each.key]["error"] = stuck
    records = []
    for each in claim.networks:
        numbers = told[each.key]
        shares = numbers.pop("early_share", 0.5), numbers.pop("late_share", 0.5)
        records += runs(each, numbers.pop("error"), numbers.pop("loss", 1.0), truncated=shares, **numbers)
    return records


@pytest.mark.parametrize("verdict", MADE)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_can_come_out_in_every_way(claim: Claim, verdict: ClaimVerdict) -> None:
    found = judge_claims(made_for(claim, verdict), [claim], MARGINS)[0]
    assert found.verdict == verdict, found.sentence
    for contrast in claim.contrasts:
        assert contrast.description in found.sentence
    assert ("training to the end" in found.sentence) == claim.needs_the_end


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_similarity_is_undecided_at_a_scale_without_a_margin(claim: Claim) -> None:
    found = judge_claims(made_for(claim, "held"), [claim], margins={"another": Margins(2.0, 2.0)})[0]
    needs_margin = any(contrast.needs_margin for contrast in claim.contrasts)
    assert found.verdict == ("undecided" if needs_margin else "held")
    assert ("scale laptop" in found.reason) == needs_margin
    if needs_margin:
        assert found.compared[0].estimate is not None, "the difference is shown all the same"
