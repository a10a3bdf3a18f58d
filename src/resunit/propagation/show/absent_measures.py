"""Which measures a network lacks, where, and why."""

from collections import defaultdict
from collections.abc import Sequence

from resunit.io.format import format_count
from resunit.propagation.junction import Junction


def describe_absences(junctions: Sequence[Junction]) -> list[str]:
    """Return a sentence for each reason why measures are absent, with the measures and the junctions."""
    places: defaultdict[tuple[str, tuple[str, ...]], list[Junction]] = defaultdict(list)
    for junction in junctions:
        of_reason: defaultdict[str, list[str]] = defaultdict(list)
        for measure, reason in junction.absent.items():
            of_reason[reason].append(measure)
        for reason, measures in of_reason.items():
            places[reason, tuple(measures)].append(junction)
    return [
        f"{', '.join(measures)} at {_where(found, len(junctions))}: {reason}"
        for (reason, measures), found in places.items()
    ]


def _where(found: Sequence[Junction], count: int) -> str:
    if len(found) == count:
        return "each junction"
    others = len(found) - 1
    return found[0].name + (f" and {format_count(others, 'other')}" if others else "")
