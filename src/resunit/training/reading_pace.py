"""After how many steps the losses are read from the device; the clock decides that alone."""

from resunit.training.totals import CAPACITY

SECONDS_BETWEEN_READINGS = 0.5
"""A signal is answered at a reading, and the progress that is shown is that of the last reading."""


class ReadingPace:
    """Says when the losses of the steps that a device computes by itself are read.

    A GPU computes one step after another while the host goes on. It would have to wait for the host at each reading,
    so it gets as many steps as it computes within half a second.
    """

    def __init__(self, every_step: bool):
        """Begin with one step, and stay there if each step is to be read."""
        self.every_step = every_step
        self.steps = 1

    def is_due(self, unread: int) -> bool:
        """Return whether `unread` steps are enough."""
        return unread >= self.steps

    def add(self, steps: int, seconds: float) -> None:
        """Take note that `steps` steps, with their reading, took `seconds`."""
        if not self.every_step:
            fitting = int(steps * SECONDS_BETWEEN_READINGS / seconds) if seconds > 0 else CAPACITY
            self.steps = max(1, min(fitting, 2 * self.steps, CAPACITY))
