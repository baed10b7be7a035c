"""Waiting for whichever comes first."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def first_of(*awaitables: Awaitable[Any]) -> None:
    """Return when one of them is done, and raise what it raised.

    The others are cancelled, except for tasks that the caller owns.
    """
    own = [asyncio.ensure_future(a) for a in awaitables if not isinstance(a, asyncio.Task)]
    given = [a for a in awaitables if isinstance(a, asyncio.Task)]
    try:
        done, _ = await asyncio.wait([*given, *own], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in own:
            one.cancel()
    for one in done:
        one.result()
