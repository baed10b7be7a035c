"""Waiting on behalf of a client only for as long as the client waits."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request, Response

from app.errors import GONE


async def unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The answer of ``work``, which is cancelled when the client disconnects meanwhile."""
    waiting = asyncio.current_task()
    assert waiting is not None
    gone = False

    async def stop_when_gone() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        waiting.cancel()

    watching = asyncio.create_task(stop_when_gone())
    try:
        return await work
    except asyncio.CancelledError:
        if not gone or waiting.uncancel():  # somebody else wants us to stop
            raise
        return Response(status_code=GONE)  # nobody reads it
    finally:
        watching.cancel()
