"""A connection of one's own: commands go out together, and their replies come back in order.

The redis library's pipelines take a connection from the pool each time, look whether it is alive,
set a timeout for each part of the exchange and encode each argument by its type; that costs four
times what is left here. What is kept is its connection: replies, TLS, logging in.

On the wire a command is the number of its arguments and then each with its length in front:
https://valkey.io/topics/protocol/.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import hiredis
from arq.connections import ArqRedis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

IDLE_SECONDS = 0.05  # after which a connection may have been closed by the other side unnoticed

Argument = str | bytes | int


class Packed(NamedTuple):
    """Arguments as they go over the wire, without their number."""

    number: int
    data: bytes


class Wire:
    """One connection to the queue server, for one exchange at a time."""

    def __init__(self, redis: ArqRedis, seconds: float | None) -> None:
        """The connection is taken from the pool of ``redis`` and never given back.

        ``seconds`` bound each exchange; None for one that bounds itself.
        """
        self._pool = redis.connection_pool
        self._seconds = seconds
        self._connection: AbstractConnection | None = None
        self._used_at = 0.0

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """The replies to ``commands``; where one is an error, a ResponseError stands in its place.

        Raises:
            TimeoutError: there was no answer in time.
            RedisError, OSError: there is no connection.
        """
        async with asyncio.timeout(self._seconds):
            connection = await self._ready()
            try:
                await connection.send_packed_command(b"".join(commands), False)
                replies = [await _reply(connection) for _ in commands]
            except BaseException:  # what was asked and not read must never be read by another
                await connection.disconnect(nowait=True)
                raise
        self._used_at = time.monotonic()
        return replies

    async def _ready(self) -> AbstractConnection:
        if self._connection is None:
            self._connection = await self._pool.get_connection()
            self._connection.socket_timeout = None  # ours bounds the whole exchange
        elif time.monotonic() - self._used_at > IDLE_SECONDS:
            await _drop_if_closed(self._connection)
        return self._connection


def packed(*arguments: Argument) -> Packed:
    """Arguments of a command, ready to be sent.

    Raises:
        UnicodeEncodeError: a text among them cannot be.
    """
    whole: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # of any length
    return Packed(len(arguments), whole[whole.index(b"\n") + 1 :])


def command(parts: Sequence[Packed]) -> bytes:
    """The command whose arguments are all those of ``parts``."""
    number = sum(part.number for part in parts)
    return b"*%d\r\n%b" % (number, b"".join([part.data for part in parts]))


async def _drop_if_closed(connection: AbstractConnection) -> None:
    """Have a connection that the other side closed be made anew, as the library's pool does."""
    try:
        stale = connection.is_connected and await connection.can_read_destructive()  # type: ignore[no-untyped-call]
    except (RedisConnectionError, OSError):
        stale = True
    if stale:
        await connection.disconnect(nowait=True)


async def _reply(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
