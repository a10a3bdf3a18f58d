"""What claims compare: numbers of one run, from its curve and its measurements of the signal."""

from dataclasses import replace

import pytest

from resunit.reproduction.claims.quantities import EARLY_ERROR, EARLY_TRUNCATION, GROWTH, LATE_TRUNCATION
from resunit.reproduction.paper.networks import network
from resunit.runs.schema import CurvePoint
from tests.reproduction.made_up_runs import ORIGINAL, measurement, outcome_of, runs


def test_early_spikes_of_the_loss_decide_nothing() -> None:
    """Runs that differ in the loss of their first steps alone are equal; the early error counts each step once."""
    bn = network("resnet110", "bn-after-addition")
    uneven = (CurvePoint(10, 500.0, 95.0), CurvePoint(20, 2.0, 95.0), CurvePoint(60, 2.0, 80.0),
              CurvePoint(200, 2.0, 73.0), CurvePoint(300, 2.0, 0.0))  # fmt: skip
    early = EARLY_ERROR.of(runs(bn, 60.0, curve=uneven)[0])
    assert early == pytest.approx((40 * 80.0 + 140 * 73.0) / 180)
    spiked = [
        replace(record, curve=(CurvePoint(20, 1e6, 90.0), *record.curve[1:])) for record in runs(bn, 60.0)
    ]
    found = outcome_of("bn-after-addition-slows", [*runs(ORIGINAL, 60.0), *spiked])
    assert found.compared[0].estimate is not None
    assert found.compared[0].estimate.value == pytest.approx(0)
    # An interval that begins before 5 %, or ends after 50 %, is left out.
    across = (CurvePoint(40, 2.0, 80.0), CurvePoint(220, 2.0, 70.0))
    assert EARLY_ERROR.of(runs(bn, 60.0, curve=across)[0]) is None


def test_growth_is_counted_within_stages() -> None:
    """The stream doubles once in each stage of three units, and is a quarter where the size changes."""
    stream = (1.0, 1.5, 2.0, 0.5, 0.7, 1.0, 0.25, 0.3, 0.5)
    record = runs(network("resnet20"), 60.0, seeds=1, propagation=(measurement(380, stream_rms=stream),))[0]
    assert GROWTH.of(record) == pytest.approx(3)
    assert GROWTH.of(replace(record, model="resnet110")) is None, "the units of another network"
    assert GROWTH.of(replace(record, propagation=())) is None
    holes = (measurement(380, stream_rms=(None, *stream[1:])),)
    assert GROWTH.of(replace(record, propagation=holes)) is None


def test_truncation_is_not_taken_before_training() -> None:
    points = [measurement(step, negative_share=(share, None, share)) for step, share in
              ((0, 0.9), (19, 0.8), (20, 0.6), (100, 0.5), (200, 0.3), (380, 0.2))]  # fmt: skip
    record = runs(ORIGINAL, 60.0, seeds=1, propagation=tuple(points))[0]
    assert EARLY_TRUNCATION.of(record) == pytest.approx(60)
    assert LATE_TRUNCATION.of(record) == pytest.approx(20)
    fresh = replace(record, propagation=tuple(points[:2]))
    assert (EARLY_TRUNCATION.of(fresh), LATE_TRUNCATION.of(fresh)) == (None, None)
    late_only = replace(record, propagation=tuple(points[4:]))
    assert EARLY_TRUNCATION.of(late_only) is None
