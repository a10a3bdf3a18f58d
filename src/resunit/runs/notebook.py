"""The result of a run as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from resunit.io.format import format_count, format_duration, format_operations, format_percent

if TYPE_CHECKING:
    from resunit.runs.schema import RunResult


def render_result(result: RunResult) -> str:
    """Return the numbers of a run as an HTML table; numbers that the run does not have are left out."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in _rows(result)
    )
    return f"<table>{rows}</table>"


def _rows(result: RunResult) -> Iterator[tuple[str, str]]:
    yield "network", f"{result.model}, {result.design}, {format_count(result.parameters, 'parameter')}"
    yield "trained on", f"{result.data}, recipe {result.recipe}, seed {result.seed}, {result.precision}"
    yield "status", f"{result.status} after {format_count(result.steps, 'step')}"
    if result.error is not None:
        yield f"{result.split} error", f"{format_percent(result.error)} ({result.kept_at})"
    if result.best_error is not None and result.best_epoch is not None:
        best = f"epoch {result.best_epoch:.4g}, chosen by its {result.watched} error"
        yield "best", f"{format_percent(result.best_error)} ({best})"
    yield "cost", f"{format_operations(result.train_flops)}, {format_duration(result.wall_seconds)}"
