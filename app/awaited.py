"""Connections whose client has to do something before long, the one idle for longest first."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

C = TypeVar("C")


class Awaited(Generic[C]):
    """Each is waited for ``longest`` seconds; then ``overdue`` is called, and it is released."""

    def __init__(self, longest: float, overdue: Callable[[C], None]) -> None:
        self._longest = longest
        self._overdue = overdue
        self._idle_since: dict[C, float] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def expect(self, connection: C) -> None:
        """From now on, or again, this client has to do something."""
        self._idle_since.pop(connection, None)
        self._idle_since[connection] = time.monotonic()
        if self._sweeper is None:
            self._sweep_later()

    def release(self, connection: C) -> None:
        """This client has done what it had to, or has gone."""
        self._idle_since.pop(connection, None)

    def idle_longest(self) -> tuple[C | None, float]:
        """The connection of which nothing was heard for longest, and for how many seconds."""
        connection, since = next(iter(self._idle_since.items()), (None, 0.0))
        return connection, time.monotonic() - since

    def _sweep_later(self) -> None:
        pause = min(1.0, self._longest / 4)
        self._sweeper = asyncio.get_running_loop().call_later(pause, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        latest = time.monotonic() - self._longest
        for connection in [c for c, since in self._idle_since.items() if since < latest]:
            self.release(connection)
            self._overdue(connection)
        if self._idle_since and self._sweeper is None:
            self._sweep_later()
