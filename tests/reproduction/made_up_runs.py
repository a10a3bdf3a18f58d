"""Records of runs that were never made, whose verdicts are known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from resunit.reproduction.claims import CLAIMS, ClaimOutcome, judge
from resunit.reproduction.networks import NetworkChoice, network
from resunit.reproduction.setting import recipe_of_scale
from resunit.runs.schema import CurvePoint, ExperimentRecord, PropagationPoint

BY_ID = {claim.id: claim for claim in CLAIMS}
NOISE = (-0.3, 0.0, 0.3, 0.1, -0.1)
STEPS_OF_MEASUREMENTS = (0, 300)


def runs(
    net: NetworkChoice,
    error: float | None,
    loss: float | None = 1.0,
    *,
    seeds: int = 3,
    early: float | None = None,
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
        early: the training loss over the first half; by default that at the end.
        truncated: the share of y < 0 at the first and at the last measurement.
        growth: the doublings of the stream.
        changes: fields of the records that differ.
    """
    return [
        replace(_record(net, error, loss, early or loss or 0.0, truncated, growth, seed), **changes)
        for seed in range(seeds)
    ]


def _record(
    net: NetworkChoice,
    error: float | None,
    loss: float | None,
    early: float,
    truncated: tuple[float, float],
    growth: float,
    seed: int,
) -> ExperimentRecord:
    noise = NOISE[seed]
    return ExperimentRecord(
        table="table1",
        row=net.design,
        model=net.model,
        design=net.design,
        options=dict(net.options),
        data="cifar10",
        scale="mini",
        steps=400,
        batch_size=64,
        precision="bf16",
        recipe=recipe_of_scale("mini") or "",
        numerics=1,
        identity=f"{net.key} {seed}",
        machine="a machine",
        seed=seed,
        status="diverged" if error is None else "done",
        test_error=None if error is None else error + noise,
        train_loss=None if loss is None else loss + noise / 100,
        curve=tuple(
            CurvePoint(step, train_loss=early + noise / 100 if step <= 200 else 0.0)
            for step in range(20, 401, 20)
        ),
        propagation=tuple(
            measurement(
                step,
                stream_rms=(1.0, 2.0 ** (growth + noise / 10)),
                negative_share=(share + noise / 100, None),
            )
            for step, share in zip(STEPS_OF_MEASUREMENTS, truncated, strict=True)
        ),
    )


def measurement(step: int, **measures: Sequence[float | None]) -> PropagationPoint:
    """Return what was measured of the signal at a step: a value of each measure for each junction."""
    return PropagationPoint(step, {name: tuple(values) for name, values in measures.items()})


def more_truncated(record: ExperimentRecord, share: float) -> ExperimentRecord:
    """Return the record with a share of y < 0 that is higher by `share` at the first measurement."""
    first, *others = record.propagation
    values = tuple(v if v is None else v + share for v in first.measures["negative_share"])
    changed = replace(first, measures={**first.measures, "negative_share": values})
    return replace(record, propagation=(changed, *others))


def outcome_of(claim: str, records: Iterable[ExperimentRecord]) -> ClaimOutcome:
    """Return the outcome of the claim with this id, judged alone."""
    return judge(records, [BY_ID[claim]])[0]


ORIGINAL, PLAIN = network("resnet110"), network("resnet110", "plain")
CONV = network("resnet110", "conv-shortcut")
PRE = network("resnet110", "full-preactivation")
