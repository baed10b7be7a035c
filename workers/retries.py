"""Doing again what failed, until it works."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from workers.queue.listeners import reconnect_delays

T = TypeVar("T")


async def until_it_works(
    attempt: Callable[[], Awaitable[T]],
    failures: type[Exception] | tuple[type[Exception], ...],
    tell: Callable[..., None],
) -> T:
    """What ``attempt`` answers at last; it is repeated, ever more slowly, while it fails so.

    ``tell(why=failure)`` is called for each of these failures. Any other is the caller's.
    """
    for delay in reconnect_delays():
        try:
            return await attempt()
        except failures as failure:
            tell(why=failure)
        await asyncio.sleep(delay)
    raise AssertionError("the delays are endless")
