"""Time and arithmetic behind the runs of a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from resunit.reports.comparison import markdown_table


@dataclass(frozen=True)
class Cost:
    """What the runs of one network and setting took: means over them, but for the hours, which are all."""

    label: str
    runs: int
    petaflop: float
    images_per_second: float | None
    hours: float
    machine: str


def costs_in_markdown(costs: Sequence[Cost]) -> str:
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
    table = markdown_table(("", "runs", "PFLOP a run", "images/s", "hours", "machine"), rows)
    total = (
        f"{sum(cost.runs for cost in costs)} runs, {sum(cost.hours for cost in costs):.1f} hours of training."
    )
    return f"## Time and cost\n\n{table}\n\n{total}\n"
