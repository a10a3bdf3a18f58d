"""A clock that measures wall-clock time in laps."""

import time


class Clock:
    """Measures the seconds since it was made or since its last lap ended."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds since the last lap ended."""
        return time.monotonic() - self._since

    def lap(self) -> float:
        """Return the seconds since the last lap ended, and end another lap."""
        now = time.monotonic()
        spent, self._since = now - self._since, now
        return spent
