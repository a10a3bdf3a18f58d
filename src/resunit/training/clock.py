"""Wall-clock time, cut into laps."""

import time


class Clock:
    def __init__(self) -> None:
        self._since = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the last lap."""
        return time.monotonic() - self._since

    def lap(self) -> float:
        """The seconds since the last lap, which ends here."""
        now = time.monotonic()
        spent, self._since = now - self._since, now
        return spent
