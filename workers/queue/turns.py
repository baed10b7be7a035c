"""Whose turn it is: the order in which a worker's claims look at its queues."""

import math
from collections.abc import Sequence

# From so many queues at most comes what one claim takes, as long as there is enough in each: what
# is counted and stored for a queue costs the server the same for one job of it as for several.
SPREAD = 8


class Turns:
    """Each claim begins where the one before it ends if all queues have enough."""

    def __init__(self) -> None:
        self._first = 0

    def next(self, tasks: Sequence[str], wanted: int) -> tuple[list[str], int]:
        """The tasks in the order of their turns, and how many of ``wanted`` jobs each may give."""
        share = max(1, math.ceil(wanted / min(len(tasks), SPREAD)))
        first = self._first % len(tasks)
        self._first = first + (math.ceil(wanted / share) % len(tasks) or 1)
        return [*tasks[first:], *tasks[:first]], share
