"""Runs to compare, invented: a recipe and an error, and nothing else that matters."""

from typing import Any

from resunit.reports.compared_run import ComparedRun
from resunit.runs.schema import CurvePoint

CURVE = tuple(CurvePoint(step, train_error=80.0 - step, test_error=82.0 - step) for step in (10, 20, 30))


def compared(
    name: str, error: float | None, options: dict[str, Any] | None = None, **fields: Any
) -> ComparedRun:
    return ComparedRun(
        name=name,
        data="cifar10",
        model="preresnet20",
        design="full-preactivation",
        status="done" if error is not None else "diverged",
        error=error,
        best_error=error,
        seconds=60.0,
        images=10_000,
        classes=10,
        fields={"name": "quick", "learning_rate": 0.1, "seed": 0, "milestones": [0.5], **fields},
        options=options or {},
        curve=CURVE,
    )
