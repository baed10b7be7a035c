"""How many jobs a slot is given ahead: short ones some, so that it never idles; long ones none."""

AHEAD_SECONDS = 0.02  # of work that waits behind a running job at most, by what jobs took lately
MOST_AHEAD = 16  # jobs: beyond, the time between two of them is no longer what counts
WEIGHT = 0.1  # of the latest job in the mean
UNKNOWN_SECONDS = 1.0  # what a job takes as long as none was seen


class Pace:
    """The mean time that jobs take on this worker, the latest ones counting most."""

    def __init__(self) -> None:
        self._mean = UNKNOWN_SECONDS

    def observe(self, seconds: float) -> None:
        """A job took so long."""
        self._mean += WEIGHT * (seconds - self._mean)

    @property
    def ahead(self) -> int:
        """How many jobs may wait in a slot behind the one that runs."""
        return min(MOST_AHEAD, int(AHEAD_SECONDS / max(self._mean, 1e-6)))
