"""Verdicts on made-up runs whose answer is known."""

import json
from pathlib import Path

import pytest

from resunit.cli import main
from resunit.reproduction.claims import CLAIMS, judge_claims
from resunit.reproduction.paper.networks import network
from resunit.reproduction.paper.tables import TABLES
from resunit.runs.record_files import append_records
from tests.reproduction.made_up_runs import (
    BY_ID,
    CONV,
    MARGINS,
    ORIGINAL,
    PLAIN,
    PRE,
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
    assert "2 seeds, laptop, 400 steps of 64, bf16, a machine" in found.runs


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
    records = [*runs(ORIGINAL, 60.0, train_error=50.0), *runs(halves, error, train_error=60.0)]
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


def test_a_claim_of_two_contrasts_needs_both() -> None:
    bn = network("resnet110", "bn-after-addition")
    baseline = runs(ORIGINAL, 60.0, train_error=50.0)

    def verdict(error: float, train_error: float) -> str:
        records = [*baseline, *runs(bn, error, train_error=train_error)]
        return outcome_of("bn-after-addition-is-worse-resnet110", records).verdict

    assert verdict(65.0, 55.0) == "held"
    assert verdict(65.0, 45.0) == verdict(55.0, 55.0) == "not held"
    assert verdict(65.0, 50.1) == verdict(60.1, 55.0) == "undecided"


def test_a_loss_that_was_never_measured_is_not_compared() -> None:
    deep, deep_pre = network("resnet1001"), network("resnet1001", "full-preactivation")
    found = outcome_of("very-deep-falls-faster", [*runs(deep, None), *runs(deep_pre, 60.0)])
    assert found.verdict == "undecided"
    assert "some of its runs diverged" in found.sentence


def test_a_claim_about_a_larger_difference_compares_two_pairs() -> None:
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


def test_early_and_late_in_a_run_are_a_pair() -> None:
    """Runs that differ by 20 points from each other, and by 2 points from their own early part."""
    own = [runs(ORIGINAL, 60.0, truncated=(share, share - 0.02))[seed]
           for seed, share in enumerate((0.3, 0.5, 0.7))]  # fmt: skip
    found = outcome_of("truncation-becomes-rarer-resnet110", own)
    assert found.verdict == "held"
    (compared,) = found.compared
    assert compared.estimate is not None
    # Differences of 1.4, 2 and 2.6 points: standard error 0.6 / sqrt(3), t(2) = 4.303.
    assert compared.estimate.high - compared.estimate.value == pytest.approx(4.303 * 0.6 / 3**0.5, rel=1e-3)


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
    together = {found.claim.id: found for found in judge_claims(records)}
    assert alone.p is not None
    assert together["identity-beats-conv-shortcut"].p is not None
    assert together["identity-beats-conv-shortcut"].p > alone.p
    assert together["identity-beats-conv-shortcut"].verdict == "undecided"
    assert together["identity-beats-dropout-shortcut"].verdict == "held"


def test_a_worse_training_error_includes_divergence() -> None:
    found = outcome_of("conv-shortcut-trains-worse", [*runs(ORIGINAL, 60.0), *runs(CONV, None)])
    assert found.verdict == "held"
    bn = network("resnet110", "bn-after-addition")
    found = outcome_of("bn-after-addition-is-worse-resnet110", [*runs(ORIGINAL, None), *runs(bn, 60.0)])
    assert found.verdict == "not held"


def test_all_comparisons_are_corrected_together() -> None:
    """Holm (1979), written out over the p-values of all contrasts of all claims."""
    networks = {n.key: n for claim in CLAIMS for n in claim.networks}.values()
    told = {n.key: 55.0 + place / 50 for place, n in enumerate(networks)}
    records = [r for n in networks for r in runs(n, told[n.key], train_error=told[n.key] - 20)]
    outcomes = judge_claims(records, CLAIMS, MARGINS)
    found = [c for outcome in outcomes for c in outcome.compared if c.p is not None]
    raw = sorted((c.tested.p, c.p) for c in found if c.tested is not None and c.p is not None)
    assert len(raw) == len(found) > 40
    largest = 0.0
    for place, (p, corrected) in enumerate(raw):
        largest = max(largest, min(1.0, (len(raw) - place) * p))
        assert corrected == pytest.approx(largest)
    # A claim judged alone has more to say than among all.
    alone = outcome_of("full-preactivation-is-better-resnet110", records)
    among = next(o for o in outcomes if o.claim is alone.claim)
    assert alone.p is not None
    assert among.p is not None
    assert alone.p < among.p


def test_runs_that_failed_are_no_runs_and_every_claim_names_its_command() -> None:
    for claim in CLAIMS:
        found = judge_claims([], [claim])[0]
        assert found.verdict == "undecided"
        assert f"resunit reproduce {claim.table}" in found.reason
        rows = {row.network.key for row in TABLES[claim.table].rows if row.network is not None}
        assert {n.key for n in claim.networks} <= rows, "the table trains every network of the claim"
    failed = runs(ORIGINAL, 60.0, status="failed")
    assert "no run of" in judge_claims(failed, [BY_ID["identity-beats-plain"]])[0].reason


def test_records_that_ship_give_verdicts_without_training(
    nothing_ships: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    append_records(
        nothing_ships / "laptop.jsonl", [*runs(ORIGINAL, 60.0), *runs(CONV, 70.0), *runs(PRE, 50.0)]
    )
    shown = ["reproduce", "claims", "--out", str(tmp_path / "out")]
    assert main([*shown, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    verdicts = {claim["id"]: claim["verdict"] for claim in document["claims"]}
    assert list(verdicts) == [claim.id for claim in CLAIMS]
    assert verdicts["identity-beats-conv-shortcut"] == "held"
    assert verdicts["full-preactivation-is-better-resnet110"] == "held"
    counted = [claim for claim in document["claims"] if not claim["needs_the_end"]]
    assert document["counted"] == len(counted)
    assert document["decided"] == sum(claim["verdict"] != "undecided" for claim in counted) >= 2
    assert main(shown) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"{len(counted)} claims: " in text
    assert list(tmp_path.iterdir()) == [], "nothing is trained or written"
