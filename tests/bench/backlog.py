"""How fast a backlog is drained, whoever drains it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.bench.figures import Figure

DRAINED = Figure("no-op jobs drained from a backlog, results stored", "jobs/s")
MISSING = Figure("jobs without their result", "", more_is_better=False)

LOOK_SECONDS = 0.01
LONGEST_PAUSE = 60.0  # seconds without a single job that ended: something is broken


async def drained_rate(count: int, remaining: Callable[[], Awaitable[int]]) -> float:
    """Jobs a second, from the last moment when all ``count`` remained to that when none did.

    The start of a worker is thus left out.

    Raises:
        TimeoutError: nothing ended for a minute.
    """
    began = moved = time.perf_counter()
    before = count
    while (left := await remaining()) > 0:
        now = time.perf_counter()
        if left >= count:
            began = now
        if left != before:
            before, moved = left, now
        if now - moved > LONGEST_PAUSE:
            raise TimeoutError(f"{left} of {count} jobs remain, and none ended for a minute")
        await asyncio.sleep(LOOK_SECONDS)
    return count / (time.perf_counter() - began)
