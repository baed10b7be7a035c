"""Points in time as people and programs read them: ISO 8601, in UTC, to the millisecond."""

import functools
import time


@functools.lru_cache(maxsize=256)  # a job's times are often the same, and many jobs' in a ms
def iso(ms: int) -> str:
    """A time in ms since 1970, such as 2026-01-01T00:00:00.004Z."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@functools.lru_cache(maxsize=64)  # most times that are told are of the last few seconds
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
