"""Waiting on behalf of a client only for as long as the client waits.

ASGI tells an application that a client has gone as a message, for which a task of its own would
have to wait beside each request. Our connections tell by the request's state instead.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")

# In a request's state.
WAITS, HAS_GONE = "patience_waits", "patience_has_gone"


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns. It is cancelled when the client disconnects meanwhile.

    Raises:
        ClientDisconnect: the client has gone.
    """
    state, waiting = request.scope["state"], asyncio.current_task()
    if HAS_GONE in state:
        work.close()
        raise ClientDisconnect
    assert waiting is not None
    state[WAITS] = waiting
    try:
        return await work
    except asyncio.CancelledError:
        if HAS_GONE not in state or waiting.uncancel():  # somebody else wants us to stop
            raise
        raise ClientDisconnect from None
    finally:
        del state[WAITS]


def client_has_gone(state: dict[str, Any]) -> None:
    """Tell who waits, now or later, for the client of the request that has this state."""
    state[HAS_GONE] = True
    if WAITS in state:
        state[WAITS].cancel()
