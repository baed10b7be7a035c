"""Waiting on behalf of a client only for as long as the client waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request, Response

from app.errors import GONE


async def unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The answer of ``work``, which is cancelled when the client disconnects meanwhile."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        # Nobody reads the answer to a client that has gone.
        return working.result() if working.done() else Response(status_code=GONE)
    finally:
        watching.cancel()
        working.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
