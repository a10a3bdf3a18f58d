"""When a checkpoint is written; the clock decides that alone, and never what is in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from resunit.training.clock import Clock

SECONDS_BETWEEN_CHECKPOINTS = 600
"""The longest time between two checkpoints of a run whose recipe gives their number of steps."""
SHARE_OF_TIME = 0.01
"""The share of its time that a run may spend on checkpoints, where its recipe does not say when to write them."""
SECONDS_OF_FIRST = 0.1
"""What the first checkpoint is taken to cost, before one was measured: it is written after a hundred times this."""


class CheckpointPace:
    """Says on the clock when the next checkpoint is overdue.

    A run whose recipe gives a number of steps gets one at least every ten minutes. Any other run gets one as soon as
    the last one, with its check, took less than a hundredth of the time since it.
    """

    def __init__(self, every: int | None):
        """Begin to count the time.

        Args:
            every: the number of steps between two checkpoints; None leaves it to the clock.
        """
        self.every = every
        self.clock = Clock()
        self.cost = SECONDS_OF_FIRST

    @property
    def is_overdue(self) -> bool:
        """Whether a checkpoint should be written now."""
        longest = self.cost / SHARE_OF_TIME if self.every is None else SECONDS_BETWEEN_CHECKPOINTS
        return self.clock.seconds > longest

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measure how long writing a checkpoint takes, and count the time until the next one from its end."""
        self.clock.lap()
        yield
        self.cost = self.clock.lap()
