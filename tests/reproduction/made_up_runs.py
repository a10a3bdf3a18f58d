"""Records of runs that were never made, whose verdicts are known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from resunit.reproduction.claims import CLAIMS, ClaimOutcome, judge_claims
from resunit.reproduction.claims.margins import Margins
from resunit.reproduction.experiments.setting import recipe_of_scale
from resunit.reproduction.paper.networks import NetworkChoice, network
from resunit.runs.schema import CurvePoint, ExperimentRecord, PropagationPoint

BY_ID = {claim.id: claim for claim in CLAIMS}
NOISE = (-0.3, 0.0, 0.3, 0.1, -0.1)
UNITS_OF_A_STAGE = {
    "resnet20": 3,
    "resnet110": 18,
    "resnet110-1layer": 36,
    "resnet164": 18,
    "resnet1001": 111,
}
STEPS_OF_MEASUREMENTS = (0, 20, 200, 380)
MARGINS = {"laptop": Margins(test_error=2.0, train_error=2.0)}


def runs(
    net: NetworkChoice,
    error: float | None,
    loss: float | None = 1.0,
    *,
    seeds: int = 3,
    train_error: float = 50.0,
    early: float = 70.0,
    truncated: tuple[float, float] = (0.5, 0.5),
    growth: float = 1.0,
    **changes: Any,
) -> list[ExperimentRecord]:
    """Return a record of `net` for each seed, with numbers around those given.

    Args:
        net: the network.
        error: the test error in percent; None for diverged runs.
        loss: the training loss at the end.
        seeds: the number of records.
        train_error: the training error at the end, in percent.
        early: the training error from 5 % to 50 % of the steps.
        truncated: the share of y < 0 at 5 % of the steps, and when last measured.
        growth: the doublings of the stream within the stages; where the size changes, it halves as often.
        changes: fields of the records that differ.
    """
    records = []
    for seed in range(seeds):
        record = _record(net, error, loss, seed)
        noise = NOISE[seed]
        record = replace(
            record,
            train_error=None if error is None else train_error + noise,
            curve=tuple(_curve(early + noise)),
            propagation=tuple(_signal(net, truncated, growth, noise)),
        )
        records.append(replace(record, **changes))
    return records


def _record(net: NetworkChoice, error: float | None, loss: float | None, seed: int) -> ExperimentRecord:
    noise = NOISE[seed]
    return ExperimentRecord(
        table="table1",
        row=net.design,
        model=net.model,
        design=net.design,
        options=dict(net.options),
        data="cifar10",
        scale="laptop",
        steps=400,
        batch_size=64,
        precision="bf16",
        recipe=recipe_of_scale("laptop") or "",
        numerics=1,
        identity=f"{net.key} {seed}",
        machine="a machine",
        seed=seed,
        status="diverged" if error is None else "done",
        test_error=None if error is None else error + noise,
        train_loss=None if loss is None else loss + noise / 100,
    )


def _curve(early: float) -> Iterable[CurvePoint]:
    """Yield a curve whose first and late points have nothing to do with the early error, and whose losses spike."""
    for step in range(20, 401, 20):
        is_early = 20 < step <= 200
        yield CurvePoint(step, train_loss=1000.0 / step, train_error=early if is_early else 90.0 - early)


def _signal(
    net: NetworkChoice, truncated: tuple[float, float], growth: float, noise: float
) -> Iterable[PropagationPoint]:
    """Yield measurements whose first, of fresh weights, says the opposite of the others."""
    units = UNITS_OF_A_STAGE.get(net.model, 1)
    doublings = [0.0] * (units - 1) + [(growth + noise / 10) / 3]
    stream = [2.0 ** (doubled - stage * growth) for stage in range(3) for doubled in doublings]
    early, late = truncated
    shares = (1 - early, early + noise / 100, (early + late) / 2, late - noise / 100)
    for step, share in zip(STEPS_OF_MEASUREMENTS, shares, strict=True):
        yield measurement(step, stream_rms=stream, negative_share=(share, None))


def measurement(step: int, **measures: Sequence[float | None]) -> PropagationPoint:
    """Return what was measured of the signal at a step: a value of each measure for each junction."""
    return PropagationPoint(step, {name: tuple(values) for name, values in measures.items()})


def outcome_of(claim: str, records: Iterable[ExperimentRecord]) -> ClaimOutcome:
    """Return the outcome of the claim with this id, judged alone, with margins of 2 points."""
    return judge_claims(records, [BY_ID[claim]], MARGINS)[0]


ORIGINAL, PLAIN = network("resnet110"), network("resnet110", "plain")
CONV = network("resnet110", "conv-shortcut")
PRE = network("resnet110", "full-preactivation")
