"""Which measures a network lacks, where, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resunit.io.format import format_count

if TYPE_CHECKING:
    from resunit.propagation.result import Propagation


def describe_absences(result: Propagation) -> list[str]:
    """Return a sentence for each reason why measures are absent, with the measures and their junctions or layers."""
    names: defaultdict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for place in result.places:
        of_reason: defaultdict[str, list[str]] = defaultdict(list)
        for measure, reason in place.absent.items():
            of_reason[reason].append(measure)
        for reason, measures in of_reason.items():
            names[reason, tuple(measures)].append(place.name)
    return [
        f"{', '.join(measures)} at {_where(found, result)}: {reason}"
        for (reason, measures), found in names.items()
    ]


def _where(names: Sequence[str], result: Propagation) -> str:
    if len(names) == len(result.places):
        return "each junction" if result.junctions else "each weight layer"
    others = len(names) - 1
    return names[0] + (f" and {format_count(others, 'other')}" if others else "")
