"""Verdicts on made-up runs whose answer is known."""

import pytest

from resunit.reproduction.claims import CLAIMS, judge
from resunit.reproduction.networks import network
from tests.reproduction.made_up_runs import (
    BY_ID,
    CONV,
    ORIGINAL,
    PLAIN,
    PRE,
    more_truncated,
    outcome_of,
    runs,
)


def test_a_clear_difference_holds_with_its_interval() -> None:
    found = outcome_of("identity-beats-conv-shortcut", [*runs(ORIGINAL, 60.0), *runs(CONV, 65.0)])
    assert found.verdict == "held"
    (compared,) = found.compared
    assert compared.estimate is not None
    assert compared.estimate.value == pytest.approx(5)
    # Standard error sqrt(2 * 0.09 / 3), 4 degrees of freedom: 2.776.
    assert compared.estimate.high - compared.estimate.value == pytest.approx(2.776 * 0.06**0.5, rel=1e-3)
    assert (found.seeds, found.machine) == (3, "a machine")
    assert [setting.steps for setting in found.settings.values()] == [400]


def test_the_opposite_is_not_held_and_a_small_difference_undecided() -> None:
    opposite = outcome_of("identity-beats-conv-shortcut", [*runs(ORIGINAL, 65.0), *runs(CONV, 60.0)])
    assert opposite.verdict == "not held"
    small = outcome_of("identity-beats-conv-shortcut", [*runs(ORIGINAL, 60.0), *runs(CONV, 60.1)])
    assert small.verdict == "undecided"
    assert "undecided at this scale" in small.sentence


def test_two_seeds_never_decide() -> None:
    records = [*runs(ORIGINAL, 10.0), *runs(CONV, 65.0, seeds=2)]
    found = outcome_of("identity-beats-conv-shortcut", records)
    assert found.verdict == "undecided"
    assert found.reason == "a verdict needs 3 seeds"
    assert "2 seeds, mini, 400 steps of 64, bf16, a machine" in found.runs


def test_missing_runs_say_which_command_makes_them() -> None:
    found = outcome_of("identity-beats-conv-shortcut", runs(ORIGINAL, 60.0))
    assert found.verdict == "undecided"
    assert "no run of resnet110 conv-shortcut" in found.reason
    assert "resunit reproduce table1" in found.reason


def test_errors_that_tie_at_chance_leave_it_to_the_training_loss() -> None:
    records = [*runs(ORIGINAL, 89.7, 2.0), *runs(PLAIN, 90.0, 2.3)]
    found = outcome_of("identity-beats-plain", records)
    assert found.verdict == "held"
    assert found.compared[0].estimate is not None
    assert found.compared[0].estimate.value == pytest.approx(0.3)
    assert "since the errors tie at chance" in found.sentence


@pytest.mark.parametrize(
    ("plain", "outcome"), [(90.0, "held"), (70.0, "not held"), (None, "held"), (88.05, "undecided")]
)
def test_not_converging_is_being_at_chance_in_every_seed(plain: float | None, outcome: str) -> None:
    records = [*runs(ORIGINAL, 50.0), *runs(PLAIN, plain)]
    assert outcome_of("plain-does-not-converge", records).verdict == outcome


def test_nothing_fails_to_converge_where_the_identity_does_not_converge_either() -> None:
    for stuck_seeds in (1, 3):
        identity = [*runs(ORIGINAL, 90.0)[:stuck_seeds], *runs(ORIGINAL, 50.0)[stuck_seeds:]]
        found = outcome_of("plain-does-not-converge", [*identity, *runs(PLAIN, 90.0)])
        assert found.verdict == "undecided"
        assert f"test errors of resnet110 original 89.7 %, {'90.0' if stuck_seeds > 1 else '50.0'} %" in (
            found.reason
        )
        assert found.reason.endswith(f"at chance in {stuck_seeds} of 3 seeds")


@pytest.mark.parametrize(
    ("error", "outcome"), [(70.0, "held"), (90.0, "not held"), (None, "not held"), (88.05, "undecided")]
)
def test_converging_badly_is_converging(error: float | None, outcome: str) -> None:
    halves = network("resnet110", "constant-scaling", shortcut_scale=0.5, branch_scale=0.5)
    records = [*runs(ORIGINAL, 60.0, 1.0), *runs(halves, error, 1.5)]
    found = outcome_of("scaling-converges-badly", records)
    assert found.verdict == outcome
    assert ("in 3 of 3 seeds" in found.reason) == (outcome == "not held")


def test_a_diverged_side_counts_as_worse_without_an_interval() -> None:
    found = outcome_of("identity-beats-conv-shortcut", [*runs(ORIGINAL, 60.0), *runs(CONV, None)])
    assert found.verdict == "held"
    assert found.p is None
    assert "diverged in every seed" in found.sentence
    other = outcome_of("identity-beats-conv-shortcut", [*runs(ORIGINAL, None), *runs(CONV, 60.0)])
    assert other.verdict == "not held"
    some = [*runs(ORIGINAL, 60.0), *runs(CONV, 65.0, seeds=2), *(runs(CONV, None)[2:])]
    assert outcome_of("identity-beats-conv-shortcut", some).verdict == "undecided"


def test_runs_of_other_settings_are_not_compared() -> None:
    records = [*runs(ORIGINAL, 60.0), *runs(CONV, 65.0, precision="fp32")]
    assert "no setting in which" in outcome_of("identity-beats-conv-shortcut", records).reason
    both = [*records, *runs(ORIGINAL, 70.0, steps=100, seeds=2), *runs(CONV, 65.0, steps=100, seeds=2)]
    assert outcome_of("identity-beats-conv-shortcut", both).seeds == 2
    more = [*both, *runs(CONV, 66.0)]
    found = outcome_of("identity-beats-conv-shortcut", more)
    assert (found.verdict, found.settings[""].steps) == ("held", 400)


def test_best_of_a_table_needs_every_contrast() -> None:
    errors = {"original": 70.0, "bn-after-addition": 80.0, "relu-before-addition": 75.0,
              "relu-only-preactivation": 65.0, "full-preactivation": 55.0}  # fmt: skip
    everyone = [r for design, e in errors.items() for r in runs(network("resnet110", design), e)]
    held = outcome_of("full-preactivation-is-best-resnet110", everyone)
    assert (held.verdict, len(held.compared)) == ("held", 4)
    errors["relu-only-preactivation"] = 50.0
    everyone = [r for design, e in errors.items() for r in runs(network("resnet110", design), e)]
    assert outcome_of("full-preactivation-is-best-resnet110", everyone).verdict == "not held"
    errors["relu-only-preactivation"] = 55.1
    everyone = [r for design, e in errors.items() for r in runs(network("resnet110", design), e)]
    assert outcome_of("full-preactivation-is-best-resnet110", everyone).verdict == "undecided"


def test_a_diverged_placement_has_lost_and_the_others_are_compared() -> None:
    errors = {"original": 70.0, "bn-after-addition": None, "relu-before-addition": 75.0,
              "relu-only-preactivation": 65.0, "full-preactivation": 55.0}  # fmt: skip
    everyone = [r for design, e in errors.items() for r in runs(network("resnet110", design), e)]
    held = outcome_of("full-preactivation-is-best-resnet110", everyone)
    assert held.verdict == "held"
    assert held.p is not None
    assert "bn-after-addition diverged in every seed, which counts as worse" in held.sentence
    lost = [r for r in everyone if r.design != "full-preactivation"] + runs(PRE, None)
    assert outcome_of("full-preactivation-is-best-resnet110", lost).verdict == "not held"


def test_a_loss_that_was_never_measured_is_not_compared() -> None:
    deep, deep_pre = network("resnet1001"), network("resnet1001", "full-preactivation")
    found = outcome_of("very-deep-falls-faster", [*runs(deep, None), *runs(deep_pre, 60.0)])
    assert found.verdict == "undecided"
    assert "some of its runs diverged" in found.sentence


def test_interactions() -> None:
    few, few_conv = network("resnet20"), network("resnet20", "conv-shortcut")
    many = [*runs(ORIGINAL, 60.0), *runs(CONV, 70.0)]
    found = outcome_of(
        "conv-shortcut-hurts-with-many-units", [*many, *runs(few, 50.0), *runs(few_conv, 51.0)]
    )
    assert found.verdict == "held"
    assert found.compared[0].estimate is not None
    assert found.compared[0].estimate.value == pytest.approx(9)
    few_side = found.reported[1].estimate
    assert few_side is not None
    assert few_side.value == pytest.approx(1)
    assert "not part of the verdict: test error, resnet20 conv-shortcut minus resnet20 original +1" in (
        found.sentence
    )
    even = outcome_of("conv-shortcut-hurts-with-many-units", [*many, *runs(few, 50.0), *runs(few_conv, 60.0)])
    assert even.verdict == "undecided"
    deep, deep_pre = network("resnet164"), network("resnet164", "full-preactivation")
    records = [*runs(ORIGINAL, 60.0), *runs(PRE, 55.0), *runs(deep, 60.0), *runs(deep_pre, 45.0)]
    gain = outcome_of("gain-grows-resnet110-resnet164", records)
    assert gain.verdict == "held"
    assert gain.compared[0].estimate is not None
    assert gain.compared[0].estimate.value == pytest.approx(10)


@pytest.mark.parametrize(
    ("at_0", "at_6", "outcome"),
    [(90.0, 65.0, "held"), (55.0, 65.0, "held"), (62.0, 80.0, "not held"), (65.0, 55.0, "undecided")],
)
def test_closeness_is_a_distance(at_0: float, at_6: float, outcome: str) -> None:
    gates = [network("resnet110", "shortcut-only-gating", gate_bias=bias) for bias in (0.0, -6.0)]
    records = [*runs(ORIGINAL, 60.0 if at_0 != 55.0 else 66.0), *runs(gates[0], at_0), *runs(gates[1], at_6)]
    assert outcome_of("shortcut-only-gating-approaches-identity", records).verdict == outcome


def test_curves_and_measurements_decide_their_claims() -> None:
    bn = network("resnet110", "bn-after-addition")
    slow = [*runs(ORIGINAL, 60.0, early=1.5), *runs(bn, 60.0, early=1.8)]
    assert outcome_of("bn-after-addition-slows", slow).verdict == "held"
    relu = network("resnet110", "relu-before-addition")
    growing = [*runs(ORIGINAL, 60.0, growth=1.0), *runs(relu, 60.0, growth=4.0)]
    found = outcome_of("relu-before-addition-grows", growing)
    assert found.verdict == "held"
    assert found.compared[0].estimate is not None
    assert found.compared[0].estimate.value == pytest.approx(3)
    first, *others = runs(ORIGINAL, 60.0, truncated=(0.5, 0.3))
    early = [more_truncated(first, 0.01), *others]
    assert outcome_of("truncation-is-frequent-early", early).verdict == "held"
    first, *others = runs(ORIGINAL, 60.0, truncated=(0.3, 0.5))
    late = [more_truncated(first, 0.01), *others]
    assert outcome_of("truncation-is-frequent-early", late).verdict == "not held"
    depth = [
        *runs(ORIGINAL, 60.0, truncated=(0.5, 0.3)),
        *runs(network("resnet20"), 50.0, truncated=(0.5, 0.2)),
    ]
    assert outcome_of("truncation-is-frequent-in-deep-nets", depth).verdict == "held"


def test_the_start_and_the_end_of_a_run_are_a_pair() -> None:
    """Runs that differ by 20 points from each other, and by 2 from their own beginning."""
    own = [runs(ORIGINAL, 60.0, truncated=(share, share - 0.02))[seed]
           for seed, share in enumerate((0.3, 0.5, 0.7))]  # fmt: skip
    # Without this, the differences would not vary.
    found = outcome_of("truncation-is-frequent-early", [more_truncated(own[0], 0.001), *own[1:]])
    assert found.verdict == "held"
    (compared,) = found.compared
    assert compared.estimate is not None
    # Differences 2.1, 2 and 2 points: standard error 0.1 / 3, t(2) = 4.303.
    assert compared.estimate.high - compared.estimate.value == pytest.approx(4.303 / 30, rel=1e-3)


def test_regularisation_needs_both_halves() -> None:
    both = [*runs(ORIGINAL, 60.0, 1.0), *runs(PRE, 55.0, 1.2)]
    found = outcome_of("preactivation-regularises-resnet110", both)
    assert found.verdict == "held"
    assert "64,000 steps" in found.sentence
    half = [*runs(ORIGINAL, 60.0, 1.2), *runs(PRE, 55.0, 1.0)]
    assert outcome_of("preactivation-regularises-resnet110", half).verdict == "not held"


def test_many_claims_correct_each_other() -> None:
    dropout = network("resnet110", "dropout-shortcut")
    records = [*runs(ORIGINAL, 60.0), *runs(CONV, 60.75), *runs(PLAIN, 60.7), *runs(dropout, 70.0)]
    alone = outcome_of("identity-beats-conv-shortcut", records)
    assert alone.verdict == "held"
    together = {found.claim.id: found for found in judge(records)}
    assert alone.p is not None
    assert together["identity-beats-conv-shortcut"].p is not None
    assert together["identity-beats-conv-shortcut"].p > alone.p
    assert together["identity-beats-conv-shortcut"].verdict == "undecided"
    assert together["identity-beats-dropout-shortcut"].verdict == "held"


def test_contrasts_within_a_claim_count_as_many_too() -> None:
    """One placement of four is better, with p 0.0017: of all that is compared that is no surprise."""
    networks = {n.key: n for claim in CLAIMS for n in claim.networks}.values()
    best = network("resnet110", "relu-only-preactivation")
    records = [r for n in networks for r in runs(n, 58.17 if n == best else 60.0)]
    alone = {claim.id: claim for claim in CLAIMS}["full-preactivation-is-best-resnet110"]
    contrast = judge(records, [alone])[0].compared[-1]
    assert contrast.estimate is not None
    compared = sum(len(claim.contrasts) for claim in CLAIMS)
    assert len(CLAIMS) < 0.05 / contrast.estimate.p < compared
    found = next(v for v in judge(records) if v.claim is alone)
    assert found.verdict == "undecided"


def test_every_claim_can_be_held_and_failed_runs_are_no_runs() -> None:
    assert len(CLAIMS) == len(BY_ID) == 28
    for claim in CLAIMS:
        found = judge([], [claim])[0]
        assert found.verdict == "undecided"
        assert "resunit reproduce" in found.reason
    failed = runs(ORIGINAL, 60.0, status="failed")
    assert "no run of" in judge(failed, [BY_ID["identity-beats-plain"]])[0].reason
