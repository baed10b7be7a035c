"""Tries are counted: wrong passwords, so that nobody finds a right one, and requests."""

import time
from dataclasses import dataclass

MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Pace:
    """So many tries at once, and then one more each so many seconds."""

    burst: int
    seconds: float


class Tries:
    """Who tried how often lately, by any key; the longest quiet is forgotten first.

    A key's number is when all its tries are forgiven: the generic cell rate algorithm of
    https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._grace = (pace.burst - 1) * pace.seconds
        self._forgiven_at: dict[object, float] = {}

    def take(self, key: object) -> float:
        """Count a try if it may be made; else how long until it may, in seconds."""
        now = time.monotonic()
        at = self._forgiven_at.get(key, now)
        if (seconds := at - now - self._grace) > 0:
            return seconds
        self._count(key, max(now, at))
        return 0.0

    def count(self, key: object) -> None:
        """Count a try."""
        now = time.monotonic()
        self._count(key, max(now, self._forgiven_at.get(key, now)))

    def take_back(self, key: object) -> None:
        """Uncount the last try."""
        if key in self._forgiven_at:
            self._forgiven_at[key] -= self._pace.seconds

    def wait_seconds(self, key: object) -> float:
        """How long until the next try may be made; 0 if at once."""
        at = self._forgiven_at.get(key)
        return 0.0 if at is None else max(0.0, at - time.monotonic() - self._grace)

    def forgive(self, key: object) -> None:
        """Forget the tries of one."""
        self._forgiven_at.pop(key, None)

    def _count(self, key: object, since: float) -> None:
        self._forgiven_at.pop(key, None)  # the order is that of the last tries
        self._forgiven_at[key] = since + self._pace.seconds
        if len(self._forgiven_at) > MOST_REMEMBERED:
            del self._forgiven_at[next(iter(self._forgiven_at))]
