"""Following the streams through the junctions that one pass reaches: stochastic depth leaves units out."""

from collections.abc import Container, Sequence

from resunit.propagation.detect.found_junction import FoundJunction


def junctions_before(junctions: Sequence[FoundJunction], reached: Container[int]) -> dict[int, int]:
    """Return the reached junction before each reached junction of the same stage, by their numbers.

    A unit that the pass leaves out hands its input on, so the junction before it comes next.

    Args:
        junctions: the junctions of the network.
        reached: the numbers of those that the pass reaches.
    """
    before: dict[int, int] = {}
    for number, junction in enumerate(junctions):
        earlier = junction.previous if number in reached else None
        while earlier is not None and junctions[earlier].stage == junction.stage:
            if earlier in reached:
                before[number] = earlier
                break
            earlier = junctions[earlier].previous
    return before


def passed_between(junctions: Sequence[FoundJunction], number: int, before: int) -> list[FoundJunction]:
    """Return a junction and those left out between it and the junction `before`, the last one first."""
    passed: list[FoundJunction] = []
    at: int | None = number
    while at is not None and at != before:
        passed.append(junctions[at])
        at = junctions[at].previous
    return passed
