"""How many jobs a slot is given ahead, so that it never idles and yet no job waits long in there.

Of short jobs it is given some, of long ones none, for another slot may be free sooner. But where
jobs take about the same time, the next one is given when the running one is about to end.
"""

AHEAD_SECONDS = 0.02  # of work that waits behind a running job at most, by what jobs took lately
PATIENCE_SECONDS = 0.04  # how long a job may wait in a slot behind one that runs on and on
MOST_AHEAD = 32  # jobs a slot: beyond, the time between two of them is no longer what counts
MOST_HELD = 64  # jobs of all slots that wait so: their leases cross the link at every heartbeat
STEADY_SECONDS = AHEAD_SECONDS / 2  # how far off the mean jobs are that take about the same time
UNKNOWN_SECONDS = 1.0  # what a job takes as long as none was seen
# Of the latest job in the mean and in how far off jobs are, once there were some. A mean follows
# slowly, what it is worth fast, as with the times of round trips in RFC 6298, section 2.
WEIGHT, WEIGHT_OFF = 0.1, 0.25


class Pace:
    """The mean time that jobs take on this worker, the latest ones counting most."""

    def __init__(self, slots: int) -> None:
        """``slots`` is how many slots share what may be held ahead."""
        self._mean = UNKNOWN_SECONDS
        self._off = UNKNOWN_SECONDS  # how far off the mean the latest ones were
        self._seen = 0
        self._most = min(MOST_AHEAD, MOST_HELD // slots)
        self._always_ahead = 0  # of short jobs
        self.foresees_ends = False  #: whether jobs are long, and it can be told when one will end

    def observe(self, seconds: float) -> None:
        """A job took so long."""
        self._seen += 1
        off = seconds - self._mean
        self._mean += max(WEIGHT, 1 / self._seen) * off
        if self._seen == 1:
            self._off = seconds / 2
        else:
            self._off += WEIGHT_OFF * (abs(off) - self._off)
        self._always_ahead = min(self._most, int(AHEAD_SECONDS / max(self._mean, 1e-6)))
        is_steady = self._off <= STEADY_SECONDS
        self.foresees_ends = is_steady and self._mean > AHEAD_SECONDS and self._most > 0

    def ahead(self, seconds: float) -> int:
        """How many jobs may wait in a slot behind one that has been running for ``seconds``."""
        return self._always_ahead or int(self._should_end(seconds))

    def runs_on(self, seconds: float) -> bool:
        """Whether nothing may wait behind a job that has been running for ``seconds``."""
        return seconds > PATIENCE_SECONDS and not self._should_end(seconds)

    def seconds_until_next(self, seconds: float) -> float:
        """Until the next job may be taken behind one that has been running for ``seconds``.

        If ends are foreseen; negative once that is over.
        """
        return self._mean - AHEAD_SECONDS - seconds

    def _should_end(self, seconds: float) -> bool:
        """Whether a job that has been running for ``seconds`` can be told to end about now."""
        return self.foresees_ends and abs(seconds - self._mean) <= AHEAD_SECONDS
