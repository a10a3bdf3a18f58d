"""The time and the arithmetic that runs took."""

from collections.abc import Sequence
from dataclasses import dataclass

from resunit.reports.markdown import render_markdown_table


@dataclass(frozen=True)
class Cost:
    """The cost of all runs of one network and setting on one machine.

    Attributes:
        label: the network and the setting.
        petaflop: the mean training arithmetic of a run, in 10^15 floating-point operations.
        images_per_second: the mean speed of training; None if no run recorded it.
        hours: the wall-clock time of all runs together.
        machine: the processor.
    """

    label: str
    runs: int
    petaflop: float
    images_per_second: float | None
    hours: float
    machine: str


def write_costs_in_markdown(costs: Sequence[Cost]) -> str:
    """Return the costs and their total as a section of Markdown."""
    rows = [
        (
            cost.label,
            str(cost.runs),
            f"{cost.petaflop:.3g}",
            f"{cost.images_per_second:.0f}" if cost.images_per_second else "",
            f"{cost.hours:.2f}",
            cost.machine,
        )
        for cost in costs
    ]
    table = render_markdown_table(("", "runs", "PFLOP per run", "images/s", "hours", "machine"), rows)
    total = (
        f"{sum(cost.runs for cost in costs)} runs, {sum(cost.hours for cost in costs):.1f} hours of training."
    )
    return f"## Time and cost\n\n{table}\n\n{total}\n"
