"""The losses and the wrong answers of steps, which stay on the device until they are read together."""

import torch
from torch import Tensor

CAPACITY = 1024
"""The number of steps whose totals have room until they are read."""


class StepTotals:
    """Keeps two numbers of each step on the device: the sum of the losses of its images, and its wrong answers.

    Reading waits for the device. Nothing else does.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype):
        """Make room on `device` for numbers of `dtype`."""
        self.rows = torch.zeros(CAPACITY, 2, device=device, dtype=dtype)
        self.place = torch.zeros(1, device=device, dtype=torch.int64)
        self.unread = 0
        """The number of steps that were not read yet."""

    def prepare(self) -> None:
        """Give the next step its place; there must be fewer than `CAPACITY` steps that were not read."""
        assert self.unread < CAPACITY
        self.place.fill_(self.unread)
        self.unread += 1

    def store(self, totals: Tensor) -> None:
        """Store the two numbers (2,) of the step that has got the last place."""
        self.rows.index_copy_(0, self.place, totals[None])

    def read(self) -> list[tuple[float, int]]:
        """Return the sum of losses and the wrong answers of each step since the last reading, and forget them."""
        rows = self.rows[: self.unread].tolist()
        self.unread = 0
        return [(loss, int(wrong)) for loss, wrong in rows]
