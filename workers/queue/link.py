"""A connection of one's own to the queue server, whose replies are handed over as they come.

The redis library connects, speaks TLS and logs in. After that it would read each reply through a
stream, three coroutines and a timeout, which costs some 12 us for each.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import hiredis
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

NOTHING = object()  # what the parser says when there is no whole reply


class Link:
    """One connection, which is made anew when it was lost and is wanted again."""

    def __init__(
        self, redis: ArqRedis, heard: Callable[[Any], None], lost: Callable[[Exception], None]
    ) -> None:
        """The connection is taken from the pool of ``redis`` and never given back.

        ``heard`` is called with each reply, a ResponseError where it is one; ``lost`` once a
        connection is gone, with the reason.
        """
        self._pool = redis.connection_pool
        self._heard = heard
        self._lost = lost
        self._connection: AbstractConnection | None = None
        self._replies: _Replies | None = None

    async def open(self) -> None:
        """Connect, unless it is connected.

        Raises:
            RedisError, OSError: that is not possible.
        """
        if self._replies is not None and self._replies.is_open:
            return
        try:
            connection = await self._connected()
        except RuntimeError as error:  # uvloop's, of a connection that was closed at that moment
            raise RedisConnectionError(str(error)) from error
        if _is_lost(connection):  # before it was taken over, so nobody would be told
            raise RedisConnectionError("the connection was lost right after the login")
        self._replies = _Replies(connection, self._heard, self._lost)

    def send(self, data: bytes) -> None:
        """Send a command, or several; it has to be open."""
        assert self._replies is not None
        try:
            self._replies.transport.write(data)
        except RuntimeError as error:  # uvloop's, as above
            self.close(RedisConnectionError(str(error)))

    def close(self, why: Exception) -> None:
        """Leave the server: a reply that is under way will not be heard."""
        if self._replies is not None:
            self._replies.close(why)

    async def _connected(self) -> AbstractConnection:
        """The library's connection, logged in."""
        if self._connection is None:
            self._connection = await self._pool.get_connection()
        else:
            await self._connection.disconnect(nowait=True)  # forget what is left of the former one
            await self._connection.connect()  # type: ignore[no-untyped-call]
        return self._connection


# Nothing public leads to a connection's transport, nor tells whether it is lost.
def _is_lost(connection: AbstractConnection) -> bool:
    reader, writer = connection._reader, connection._writer
    return (
        reader is None or writer is None or writer.transport.is_closing()
        or reader.at_eof() or reader.exception() is not None
    )  # fmt: skip


class _Replies(asyncio.Protocol):
    """What comes over one connection that the redis library has made."""

    def __init__(
        self, connection: AbstractConnection, heard: Callable[[Any], None],
        lost: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        assert connection._writer is not None
        self.transport = connection._writer.transport
        self.is_open = True
        self._heard = heard
        self._lost = lost
        self._parser = hiredis.Reader(
            protocolError=InvalidResponse, replyError=ResponseError, notEnoughData=NOTHING
        )
        self._of_library = cast(asyncio.Protocol, self.transport.get_protocol())
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._parser.feed(data)
        try:
            while self.is_open and (reply := self._parser.gets()) is not NOTHING:
                self._heard(reply)
        except InvalidResponse as error:
            self.close(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Part of asyncio.Protocol. The library waits for it as well, to close its pool."""
        self._of_library.connection_lost(error)
        self.close(RedisConnectionError(f"the connection was lost: {error or 'it was closed'}"))

    def close(self, why: Exception) -> None:
        """Leave the server, for this reason."""
        if self.is_open:
            self.is_open = False
            self.transport.abort()
            self._lost(why)
