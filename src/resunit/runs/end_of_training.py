"""The end of a training: the last twentieth of its steps, over which training loss and error are averaged.

Single batches differ too much from each other, and a longer end would hold steps in which the error still falls after
the last milestone.
"""

from collections.abc import Iterable

PARTS = 20
"""A run has this many equal parts, of which the end is the last one."""


def steps_before_the_end(steps: int) -> int:
    """Return the number of steps that precede the end of a run of `steps` steps; the end has at least one."""
    return steps * (PARTS - 1) // PARTS


def mean_at_the_end(means: Iterable[tuple[int, float | None]], steps: int) -> float | None:
    """Return the mean over the end of a run, computed from the means over the intervals between log lines.

    Args:
        means: the last step of each interval, in ascending order, and the mean over the interval. An interval
            begins after the last step of the interval before it.
        steps: the steps of the run.

    Returns:
        The mean, where each step counts once; None if no interval begins where the end does, if the intervals
        do not reach the last step, or if one of them has no mean.
    """
    begin, total, reached = steps_before_the_end(steps), 0.0, 0
    for step, mean in means:
        if step > begin:
            if reached < begin or mean is None:
                return None
            total += mean * (step - reached)
        reached = step
    return total / (steps - begin) if reached == steps > begin else None
