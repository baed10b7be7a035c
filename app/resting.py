"""uvicorn's server, which rests while nothing is to be done.

uvicorn looks ten times a second whether it was told to end; here who tells it wakes it up. Once a
second is enough for the date in the answers.
"""

import asyncio
import contextlib
from types import FrameType

import uvicorn

TICK_SECONDS = 1.0


class RestingServer(uvicorn.Server):
    """A server for one event loop, made within it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        """Part of uvicorn's life of a server: between its start and its end."""
        while not await self.on_tick(counter=0):  # 0: also renew the date
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal says to end."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._told.set)
