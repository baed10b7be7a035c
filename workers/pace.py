"""How many jobs a slot is given ahead: short ones some, so that it never idles; long ones none."""

AHEAD_SECONDS = 0.02  # of work that waits behind a running job at most, by what jobs took lately
MOST_AHEAD = 32  # jobs a slot: beyond, the time between two of them is no longer what counts
MOST_HELD = 64  # jobs of all slots that wait so: their leases cross the link at every heartbeat
WEIGHT = 0.1  # of the latest job in the mean, once there were ten
UNKNOWN_SECONDS = 1.0  # what a job takes as long as none was seen


class Pace:
    """The mean time that jobs take on this worker, the latest ones counting most."""

    def __init__(self, slots: int) -> None:
        """``slots`` is how many slots share what may be held ahead."""
        self._mean = UNKNOWN_SECONDS
        self._seen = 0
        self._most = min(MOST_AHEAD, MOST_HELD // slots)

    def observe(self, seconds: float) -> None:
        """A job took so long."""
        self._seen += 1
        self._mean += max(WEIGHT, 1 / self._seen) * (seconds - self._mean)

    @property
    def ahead(self) -> int:
        """How many jobs may wait in a slot behind the one that runs."""
        return min(self._most, int(AHEAD_SECONDS / max(self._mean, 1e-6)))
